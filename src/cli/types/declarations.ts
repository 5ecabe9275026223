import { isObject } from '../../lib/json/json-object.ts'
import type { StepTemplate } from '../../model/workflows/step-template.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { docOf, memberName, mostReferences, namedType, schemaType } from './schema-type.ts'
import { type ParameterType, type Templates, taskParams } from './task-params.ts'

/** A task as lists have it. */
export interface TypedTask {
  collection_name: string
  name: string
  description: string | null
  workflow: Workflow
}

type StepConfig = Record<string, unknown> | undefined

const asMember = (name: string, type: string, isOptional: boolean): string =>
  `${memberName(name)}${isOptional ? '?' : ''}: ${type}`

/** Members of a schema as outputs, where no output has that name. */
const schemaMembers = (schema: Record<string, unknown>, declared: readonly string[]): string[] => {
  const required = Array.isArray(schema.required) ? schema.required : []
  const own = isObject(schema.properties) ? Object.entries(schema.properties) : []
  return own
    .filter(([name]) => !declared.includes(name))
    .map(([name, one]) =>
      asMember(name, schemaType(one, 1, { root: schema, left: mostReferences }), !required.includes(name)),
    )
}

const outputsType = (template: StepTemplate | undefined, config: StepConfig): string => {
  if (!template) return 'Record<string, unknown>'
  const structured = template.structured_output
  const schema = structured && isObject(config?.output_schema) ? config.output_schema : undefined
  const outputs = template.outputs.map((output) => ({ ...output, name: output.path.replace(/^outputs\./, '') }))
  const members = outputs.map(({ name, path, type, optional }) =>
    schema && path === structured?.path
      ? asMember(name, schemaType(schema), false)
      : asMember(name, namedType(type), optional === true),
  )
  if (schema && structured?.has_members)
    members.push(
      ...schemaMembers(
        schema,
        outputs.map(({ name }) => name),
      ),
    )
  return members.length === 0 ? 'Record<string, unknown>' : `{ ${members.join('; ')} }`
}

/** Activities that decide which step is the last one. */
const steering = /^(conditional_|loop_counter$)/

const paramLine = ({ name, type, isRequired, about }: ParameterType): string =>
  `${docOf(about, '      ')}      ${memberName(name)}${isRequired ? '' : '?'}: ${type}\n`

const taskText = ({ collection_name, name, description, workflow }: TypedTask, templates: Templates): string => {
  const steps = Object.entries(workflow.step_configs ?? {}).map(([step, config]) => {
    const activity = String(config?.activity)
    return { step, activity, type: outputsType(templates.get(activity), config) }
  })
  const last = workflow.steps?.at(-1)
  const isOpenEnded = workflow.execution === 'parallel' || steps.some(({ activity }) => steering.test(activity))
  const outputs = isOpenEnded
    ? [...new Set(steps.map(({ type }) => type))].join(' | ')
    : steps.find(({ step }) => step === last)?.type
  const { params, isOpen } = taskParams(workflow, templates)
  return [
    docOf(description ?? '', '  '),
    `  ${JSON.stringify(`${collection_name}/${name}`)}: {\n    params: {\n`,
    ...params.map(paramLine),
    isOpen ? '      [name: string]: unknown\n' : '',
    '    }\n    steps: {\n',
    ...steps.map(({ step, type }) => `      ${memberName(step)}: ${type}\n`),
    `    }\n    outputs: ${outputs || 'Record<string, unknown>'}\n  }\n`,
  ].join('')
}

/** Writes the types of tasks as a declaration file for the typed client. `command` is named in its first line. */
export const typeDeclarations = (tasks: readonly TypedTask[], templates: Templates, command: string): string =>
  `// Written by \`${command}\`; changes here are lost.
// Use: import type { Tasks } from './jetty.js', then createClient<Tasks>({ … }).
export interface Tasks {
${tasks.map((task) => taskText(task, templates)).join('')}}
`
