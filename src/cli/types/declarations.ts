import type { StepTemplate } from '../../model/workflows/step-template.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { docOf, memberName, namedType } from './schema-type.ts'
import { type ParameterType, type Templates, taskParams } from './task-params.ts'

/** A task as lists have it. */
export interface TypedTask {
  collection_name: string
  name: string
  description: string | null
  workflow: Workflow
}

const outputsType = (template: StepTemplate | undefined): string => {
  if (!template) return 'Record<string, unknown>'
  const members = template.outputs.map(
    ({ path, type, optional }) =>
      `${memberName(path.replace(/^outputs\./, ''))}${optional ? '?' : ''}: ${namedType(type)}`,
  )
  return members.length === 0 ? 'Record<string, unknown>' : `{ ${members.join('; ')} }`
}

/** Activities that decide which step is the last one. */
const steering = /^(conditional_|loop_counter$)/

const paramLine = ({ name, type, isRequired, about }: ParameterType): string =>
  `${docOf(about, '      ')}      ${memberName(name)}${isRequired ? '' : '?'}: ${type}\n`

const taskText = ({ collection_name, name, description, workflow }: TypedTask, templates: Templates): string => {
  const steps = Object.entries(workflow.step_configs ?? {}).map(([step, config]) => ({
    step,
    activity: String(config?.activity),
  }))
  const last = workflow.steps?.at(-1)
  const isOpenEnded = workflow.execution === 'parallel' || steps.some(({ activity }) => steering.test(activity))
  const typeOf = (activity: string | undefined) => outputsType(templates.get(activity ?? ''))
  const outputs = isOpenEnded
    ? [...new Set(steps.map(({ activity }) => typeOf(activity)))].join(' | ')
    : typeOf(steps.find(({ step }) => step === last)?.activity)
  const { params, isOpen } = taskParams(workflow, templates)
  return [
    docOf(description ?? '', '  '),
    `  ${JSON.stringify(`${collection_name}/${name}`)}: {\n    params: {\n`,
    ...params.map(paramLine),
    isOpen ? '      [name: string]: unknown\n' : '',
    '    }\n    steps: {\n',
    ...steps.map(({ step, activity }) => `      ${memberName(step)}: ${typeOf(activity)}\n`),
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
