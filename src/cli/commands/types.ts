import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { isObject } from '../../lib/json/json-object.ts'
import { findReferred } from '../../lib/json-schema/schema-references.ts'
import { inferredInputSchema } from '../../model/workflows/input-schema.ts'
import type { StepTemplate } from '../../model/workflows/step-template.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { workflowParameters } from '../../model/workflows/workflow-parameters.ts'
import { allPages } from '../all-pages.ts'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'

/** Nested schemas below this depth become `unknown`. */
const deepest = 10

/** The schema that references lead into, and how many of them may still be followed. */
interface References {
  root: unknown
  left: number
}

/** Maximum references that one schema may follow: it may refer to itself. */
const mostReferences = 100

/** A map: names come from schemas of others, and an object would also answer to `constructor`. */
const simpleTypes = new Map([
  ['string', 'string'],
  ['number', 'number'],
  ['integer', 'number'],
  ['boolean', 'boolean'],
  ['null', 'null'],
  ['object', 'Record<string, unknown>'],
  ['array', 'unknown[]'],
])

/** Joins types with `|`, each once. */
const unionOf = (types: readonly string[]): string => {
  const each = [...new Set(types)]
  return each.length === 0 || each.includes('unknown') ? 'unknown' : each.join(' | ')
}

/** Formats a name as the key of a type. */
const memberName = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name))

/** Formats a text as a doc comment; it cannot end the comment early. */
export const docOf = (text: string, indent: string): string => {
  const line = text.replace(/\s+/g, ' ').replaceAll('*/', '*\\/').trim()
  return line === '' ? '' : `${indent}/** ${line.length > 300 ? `${line.slice(0, 300)}…` : line} */\n`
}

/** Type of a JSON type name such as `string|null`, as step templates write it. */
const namedType = (names: string): string => unionOf(names.split('|').map((name) => simpleTypes.get(name) ?? 'unknown'))

const literal = (value: unknown): string =>
  value === null || ['string', 'number', 'boolean'].includes(typeof value) ? JSON.stringify(value) : 'unknown'

const listOf = (type: string): string => (/[|&]/.test(type) ? `(${type})[]` : `${type}[]`)

const objectType = (schema: Record<string, unknown>, depth: number, references: References): string => {
  const properties = isObject(schema.properties) ? Object.entries(schema.properties) : []
  const { additionalProperties: others } = schema
  if (properties.length === 0) {
    return isObject(others) ? `Record<string, ${schemaType(others, depth + 1, references)}>` : 'Record<string, unknown>'
  }
  const required = Array.isArray(schema.required) ? schema.required : []
  const members = properties.map(
    ([name, one]) =>
      `${memberName(name)}${required.includes(name) ? '' : '?'}: ${schemaType(one, depth + 1, references)}`,
  )
  return `{ ${members.join('; ')} }`
}

const typeNamed = (name: unknown, schema: Record<string, unknown>, depth: number, references: References): string => {
  if (name === 'object') return objectType(schema, depth, references)
  if (name === 'array' && isObject(schema.items)) return listOf(schemaType(schema.items, depth + 1, references))
  return simpleTypes.get(String(name)) ?? 'unknown'
}

/** TypeScript type of the values that fit a JSON Schema; `unknown` where it does not say. */
export const schemaType = (
  schema: unknown,
  depth = 0,
  references: References = { root: schema, left: mostReferences },
): string => {
  if (!isObject(schema) || depth > deepest) return 'unknown'
  if (typeof schema.$ref === 'string') {
    if (references.left-- <= 0) return 'unknown'
    return schemaType(findReferred(references.root, schema.$ref)?.schema, depth + 1, references)
  }
  if (Array.isArray(schema.enum)) return unionOf(schema.enum.map(literal))
  if ('const' in schema) return literal(schema.const)
  const several = schema.anyOf ?? schema.oneOf
  if (Array.isArray(several)) return unionOf(several.map((one) => schemaType(one, depth + 1, references)))
  if (schema.type !== undefined)
    return unionOf([schema.type].flat().map((name) => typeNamed(name, schema, depth, references)))
  return isObject(schema.properties) ? objectType(schema, depth, references) : 'unknown'
}

/** A parameter of a run as a member of a type. */
interface ParameterType {
  name: string
  type: string
  isRequired: boolean
  about: string
}

/** Templates of the activities by name. */
type Templates = ReadonlyMap<string, StepTemplate>

/** What the steps say of a parameter that they read with `x_path`: its types, and whether one cannot do without it. */
const usesOf = (workflow: Workflow, templates: Templates, name: string) => {
  const types: string[] = []
  let isRequired = false
  for (const config of Object.values(workflow.step_configs ?? {})) {
    const template = templates.get(String(config?.activity))
    for (const parameter of template?.parameters ?? []) {
      if (config[`${parameter.name}_path`] !== `init_params.${name}`) continue
      types.push(namedType(parameter.type))
      isRequired ||= parameter.required
    }
  }
  return { type: unionOf(types), isRequired }
}

const describedParams = (schema: Record<string, unknown>, presets: Record<string, unknown>): ParameterType[] => {
  const required = Array.isArray(schema.required) ? schema.required : []
  const properties = isObject(schema.properties) ? schema.properties : {}
  return Object.entries(properties).map(([name, one]) => ({
    name,
    type: schemaType(one),
    isRequired: required.includes(name) && (presets[name] ?? null) === null,
    about: isObject(one) && typeof one.description === 'string' ? one.description : '',
  }))
}

const presetAbout = (preset: unknown): string => {
  const text = JSON.stringify(preset) ?? ''
  return text.length > 100 ? '' : `Default: ${text}`
}

const inferredParams = (workflow: Workflow, templates: Templates, names: string[]): ParameterType[] => {
  const presets = isObject(workflow.init_params) ? workflow.init_params : {}
  const properties = inferredInputSchema(presets).properties as Record<string, unknown>
  return names.map((name) => {
    const preset = presets[name] ?? null
    if (preset !== null)
      return { name, type: schemaType(properties[name]), isRequired: false, about: presetAbout(preset) }
    const uses = usesOf(workflow, templates, name)
    return { name, ...uses, isRequired: uses.isRequired && !Object.hasOwn(presets, name), about: '' }
  })
}

/**
 * Parameters of a task: as its `input_schema` declares them, else those with a default and those that steps read. `isOpen`
 * when a step reads all of `init_params`, so that any name may be used.
 */
const taskParams = (workflow: Workflow, templates: Templates): { params: ParameterType[]; isOpen: boolean } => {
  const presets = isObject(workflow.init_params) ? workflow.init_params : {}
  const names = workflowParameters(workflow)
  const params = isObject(workflow.input_schema)
    ? describedParams(workflow.input_schema, presets)
    : inferredParams(workflow, templates, names ?? Object.keys(presets))
  const files = { name: 'file_paths', type: 'string[]', isRequired: false, about: 'Storage paths of uploaded files.' }
  return {
    params: params.some(({ name }) => name === files.name) ? params : [...params, files],
    isOpen: names === undefined && !isObject(workflow.input_schema),
  }
}

/** A task as lists have it. */
interface TypedTask {
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

interface TypesOptions {
  out?: string
}

/** `jetty types`. */
export const registerTypes = (program: Command): void => {
  program
    .command('types <collection...>')
    .description('Write TypeScript types of the tasks of collections, for the typed client')
    .option('-o, --out <file>', 'file to write (default: stdout)')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty types acme > jetty.d.ts\n  jetty types acme demo --out src/jetty.d.ts\n\n' +
        'Parameters come from the input_schema of a task, else from its defaults and from what its steps read. Outputs are\n' +
        'those that the activities declare, and the members that an output_schema names.',
    )
    .action(withSession<TypesOptions, [string[]]>(types))
}

const types = async ({ client, out }: Session, [collections]: [string[]], { out: file }: TypesOptions) => {
  const { templates } = await client.listStepTemplates()
  const byName = new Map(templates.map((template) => [template.activity_name, template]))
  const tasks: TypedTask[] = []
  for (const collection of new Set(collections)) {
    const listed = await allPages(100, (query) => client.listTasks({ params: { collection }, query }))
    tasks.push(...listed)
  }
  const text = typeDeclarations(tasks, byName, `jetty types ${collections.join(' ')}`)
  if (file !== undefined) {
    writeFileSync(file, text)
    out.note(`Wrote the types of ${tasks.length} tasks to ${safe(file)}`)
  }
  out.answer({ types: text, tasks: tasks.length }, () => (file === undefined ? text : ''))
}
