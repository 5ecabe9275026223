import { parsedObject } from '../../../../src/lib/json/json-object.ts'
import { schemaFaults } from './schema-faults.ts'

/** What of an answer is wanted: a text, JSON of any form, or JSON that fits a schema. */
export const wantedFormats = ['text', 'json_object', 'json_schema'] as const
export type WantedFormat = (typeof wantedFormats)[number]

/** The parameters of a call as somebody wrote them; an empty one is left to the model. */
export interface ParameterFields {
  temperature: string
  maxTokens: string
  topP: string
  seed: string
  /** One a line. */
  stop: string
  format: WantedFormat
  schemaName: string
  isStrict: boolean
  schema: string
  /** Further members of the request, as a JSON object. */
  more: string
}

const firstSchema = {
  type: 'object',
  properties: { answer: { type: 'string' } },
  required: ['answer'],
  additionalProperties: false,
}

export const noFields: ParameterFields = {
  temperature: '',
  maxTokens: '',
  topP: '',
  seed: '',
  stop: '',
  format: 'text',
  schemaName: 'answer',
  isStrict: true,
  schema: JSON.stringify(firstSchema, null, 2),
  more: '',
}

/** Why fields cannot be sent, by their names. */
export type FieldFaults = Partial<Record<keyof ParameterFields, string>>

interface ReadFields {
  /** Members of the request. */
  members: Record<string, unknown>
  faults: FieldFaults
}

const mostStops = 4

const within = (text: string, least: number, most: number): boolean => {
  const value = Number(text)
  return Number.isFinite(value) && value >= least && value <= most
}

const isWhole = (text: string): boolean => /^-?\d{1,15}$/.test(text)

/** Members that have a field of their own, or that the page needs to be as they are. */
const ownMembers: ReadonlySet<string> = new Set(['model', 'messages', 'stream', 'stream_options', 'jetty'])

const numberFaults = ({ temperature, maxTokens, topP, seed }: ParameterFields): FieldFaults => ({
  ...(temperature !== '' && !within(temperature, 0, 2) ? { temperature: 'A number, 0 to 2' } : {}),
  ...(maxTokens !== '' && !(isWhole(maxTokens) && Number(maxTokens) > 0)
    ? { maxTokens: 'A whole number above 0' }
    : {}),
  ...(topP !== '' && !within(topP, 0, 1) ? { topP: 'A number, 0 to 1' } : {}),
  ...(seed !== '' && !isWhole(seed) ? { seed: 'A whole number' } : {}),
})

const stopsIn = (stop: string): string[] => stop.split('\n').filter((line) => line !== '')

const formatFaults = ({ format, schema, schemaName, isStrict }: ParameterFields): FieldFaults => {
  if (format !== 'json_schema') return {}
  const parsed = parsedObject(schema)
  const errors = parsed && schemaFaults(parsed, isStrict).filter(({ severity }) => severity === 'error')
  return {
    ...(parsed ? {} : { schema: 'The schema is no JSON object' }),
    ...(errors?.[0] ? { schema: errors[0].message } : {}),
    ...(/^[\w-]{1,64}$/.test(schemaName) ? {} : { schemaName: 'Letters, digits, hyphens and underscores, at most 64' }),
  }
}

const moreFault = (more: string): string | undefined => {
  if (more.trim() === '') return undefined
  const members = parsedObject(more)
  if (!members) return 'Write a JSON object, such as {"presence_penalty": 0.5}'
  const own = Object.keys(members).find((name) => ownMembers.has(name))
  return own === undefined ? undefined : `The playground writes ${own} itself: take it out`
}

const formatMember = ({ format, schema, schemaName, isStrict }: ParameterFields): Record<string, unknown> => {
  if (format === 'text') return {}
  if (format === 'json_object') return { response_format: { type: format } }
  const json_schema = { name: schemaName, ...(isStrict ? { strict: true } : {}), schema: parsedObject(schema) ?? {} }
  return { response_format: { type: format, json_schema } }
}

/** Reads the fields: what is sent of them, and what is wrong with them. */
export const readFields = (
  fields: ParameterFields,
  maxTokensParameter: 'max_tokens' | 'max_completion_tokens' = 'max_tokens',
): ReadFields => {
  const { temperature, maxTokens, topP, seed, stop, more } = fields
  const stops = stopsIn(stop)
  const fault = moreFault(more)
  const faults = {
    ...numberFaults(fields),
    ...formatFaults(fields),
    ...(stops.length > mostStops ? { stop: `At most ${mostStops} lines` } : {}),
    ...(fault === undefined ? {} : { more: fault }),
  }
  const members = {
    ...(temperature === '' ? {} : { temperature: Number(temperature) }),
    ...(maxTokens === '' ? {} : { [maxTokensParameter]: Number(maxTokens) }),
    ...(topP === '' ? {} : { top_p: Number(topP) }),
    ...(seed === '' ? {} : { seed: Number(seed) }),
    ...(stops.length === 0 ? {} : { stop: stops }),
    ...formatMember(fields),
    ...(fault === undefined && more.trim() !== '' ? parsedObject(more) : {}),
  }
  return { members, faults }
}
