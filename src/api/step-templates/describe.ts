import { z } from 'zod'
import { type Activity, hasOpenOutputs } from '../../activities/activity.ts'
import type { StepTemplate } from '../../model/workflows/step-template.ts'

/** What the config of a step may have beside the parameters of its activity. */
const everyStepSchema = z.object({
  timeout_sec: z
    .number()
    .optional()
    .describe('Seconds for all attempts together. Default: that of the activity, or JETTY_STEP_TIMEOUT_SECONDS.'),
  depends_on: z
    .array(z.string())
    .optional()
    .describe('Steps before this one that must have ended, in a workflow with `"execution": "parallel"`.'),
  runs_on: z
    .array(z.string())
    .optional()
    .describe('Labels that a server process must have (`JETTY_LABELS`) to execute the run, such as `gpu`.'),
  options: z
    .object({})
    .loose()
    .optional()
    .describe(
      'How the server executes the step: `retry` with `max_attempts`, `backoff` and `retry_on`; `timeout_sec` of one attempt; `continue_on_error`; `cache`.',
    ),
})

export interface Property {
  type?: string | string[]
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  anyOf?: Property[]
  oneOf?: Property[]
  aliases?: string[]
  items?: Property | boolean
  properties?: object
  additionalProperties?: Property | boolean
  input?: 'text' | 'code' | 'list' | 'json'
  language?: string
}

const typeOf = (property: Property): string => {
  const branches = property.anyOf ?? property.oneOf
  if (branches) return [...new Set(branches.map(typeOf))].join('|')
  if (property.type) return [property.type].flat().join('|')
  if (property.enum) return [...new Set(property.enum.map((value) => typeof value))].join('|')
  return property.const === undefined ? 'any' : typeof property.const
}

type Input = StepTemplate['parameters'][number]['input']

const isText = (property: Property | boolean | undefined): boolean =>
  typeof property === 'object' && typeOf(property) === 'string'

/** How a form asks for a parameter: as its declaration says, else as its type suggests. */
const inputOf = (property: Property): Input => {
  if (property.input) return property.input
  if (property.enum) return 'choice'
  const type = typeOf(property)
  if (type === 'number' || type === 'integer' || type === 'boolean') return type
  if (type === 'string') return 'line'
  if (type === 'array' && isText(property.items)) return 'list'
  const isMap = type === 'object' && property.properties === undefined && !property.anyOf && !property.oneOf
  if (isMap && property.additionalProperties) return 'pairs'
  return type.split('|').some((one) => one === 'any' || one === 'string') ? 'value' : 'json'
}

interface ObjectSchema {
  properties?: object | undefined
  required?: string[] | undefined
}

const schemaOf = (schema: z.ZodObject, io: 'input' | 'output'): ObjectSchema =>
  z.toJSONSchema(schema, { io, unrepresentable: 'any' })

const propertiesOf = ({ properties, required = [] }: ObjectSchema) => ({
  properties: Object.entries(properties ?? {}) as [string, Property][],
  required,
})

type Properties = ReturnType<typeof propertiesOf>

export const shownParameters = ({ properties, required }: Properties, acceptsPath: (name: string) => boolean) =>
  properties.map(([name, property]) => ({
    name,
    type: typeOf(property),
    required: required.includes(name),
    default: property.default ?? null,
    description: property.description ?? '',
    accepts_path: acceptsPath(name),
    aliases: property.aliases ?? [],
    input: inputOf(property),
    language: property.language ?? null,
    choices: property.enum ?? [],
  }))

export const shownOutputs = ({ properties, required }: Properties) =>
  properties.map(([name, property]) => ({
    path: `outputs.${name}`,
    type: typeOf(property),
    description: property.description ?? '',
    ...(required.includes(name) ? {} : { optional: true as const }),
  }))

/** Describes what the config of every step may have. */
export const describeCommon = (): StepTemplate['parameters'] =>
  shownParameters(propertiesOf(schemaOf(everyStepSchema, 'input')), () => false)

/** Describes an activity from the declaration that also validates it. */
export const describeActivity = (activity: Activity): StepTemplate => {
  const parameters = propertiesOf(schemaOf(activity.parameters, 'input'))
  return {
    activity_name: activity.name,
    name: activity.name,
    description: activity.description,
    category: activity.category,
    // Also for literal values: a `_path` is always a reference. Except where the engine branches, which is decided
    // before a run starts.
    parameters: shownParameters(parameters, (name) => !(activity.steers && activity.literal.includes(name))),
    outputs: shownOutputs(propertiesOf(schemaOf(activity.outputs, 'output'))),
    structured_output:
      activity.structuredOutput === undefined
        ? null
        : { path: `outputs.${activity.structuredOutput}`, has_members: hasOpenOutputs(activity) },
    example: activity.example,
    gotchas: activity.gotchas,
    ...(activity.module === undefined ? {} : { module: activity.module }),
  }
}
