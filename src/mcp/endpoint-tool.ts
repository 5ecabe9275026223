import type { Tool as ToolDescription } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { contract } from '../api/contract.ts'
import type { Endpoint } from '../http/endpoint.ts'
import { callText, type OperationName, type Tool, type ToolContext, type ToolOutcome } from './tool.ts'

type JsonType = 'string' | 'number' | 'boolean' | 'array' | 'object' | 'null'

type Types = ReadonlySet<JsonType> | undefined

const literalType = (value: unknown): JsonType => {
  if (value === null) return 'null'
  return typeof value === 'number' ? 'number' : typeof value === 'boolean' ? 'boolean' : 'string'
}

const together = (all: readonly Types[]): Types =>
  all.includes(undefined) ? undefined : new Set(all.flatMap((types) => [...(types ?? [])]))

/** JSON types of the values of a schema; undefined when they may be anything. */
export const typesOf = (schema: unknown): Types => {
  if (schema instanceof z.ZodString || schema instanceof z.ZodStringFormat || schema instanceof z.ZodEnum) {
    return new Set(['string'])
  }
  if (schema instanceof z.ZodNumber) return new Set(['number'])
  if (schema instanceof z.ZodBoolean) return new Set(['boolean'])
  if (schema instanceof z.ZodArray || schema instanceof z.ZodTuple) return new Set(['array'])
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord) return new Set(['object'])
  if (schema instanceof z.ZodNull) return new Set(['null'])
  if (schema instanceof z.ZodLiteral) return new Set([...schema.values].map(literalType))
  if (schema instanceof z.ZodNullable) return together([typesOf(schema.unwrap()), new Set(['null'])])
  if (schema instanceof z.ZodUnion) return together(schema.options.map(typesOf))
  if (schema instanceof z.ZodPipe) return typesOf(schema.out)
  const isWrapper = [z.ZodOptional, z.ZodDefault, z.ZodPrefault, z.ZodReadonly, z.ZodLazy, z.ZodCatch].some(
    (kind) => schema instanceof kind,
  )
  return isWrapper ? typesOf((schema as z.ZodOptional).unwrap()) : undefined
}

const member = (schema: z.ZodType) => {
  const types = [...(typesOf(schema) ?? [])]
  return types.length === 0 ? {} : { type: types.length === 1 ? types[0] : types }
}

/**
 * The JSON Schema of the result of a tool: its members and their types. It stops there, since a model reads the schemas of
 * all tools at once, and deeper values of a long result are shortened.
 */
export const outputSchema = (output: z.ZodObject): NonNullable<ToolDescription['outputSchema']> => {
  const members = Object.entries(output.shape as Record<string, z.ZodType>)
  const required = members.filter(([, schema]) => !schema.safeParse(undefined).success).map(([name]) => name)
  return {
    type: 'object',
    properties: Object.fromEntries(members.map(([name, schema]) => [name, member(schema)])),
    ...(required.length > 0 && { required }),
  }
}

/** The structured form of a result, which must be an object: a list is a member of one, under the only name that it has. */
export const structured = (output: z.ZodObject, value: unknown): Record<string, unknown> => {
  if (Array.isArray(value)) return { [Object.keys(output.shape)[0] ?? 'items']: value }
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

/** Descriptions of path parameters that the API does not describe itself. */
export const argumentMeanings: Readonly<Record<string, string>> = {
  collection: 'Collection name.',
  task: 'Task name; list-tasks shows them.',
  dataset: 'Dataset name; list-datasets shows them.',
  q: 'Text to look for.',
  trajectory_id: 'Id of the run (trajectory), such as 1f2e3d4c.',
  step: 'Name of the step, as in `steps` of the run.',
  name: 'Its name.',
  activity: 'Name of the activity, such as text_echo.',
  page: 'Page number, from 1.',
  limit: 'How many to return.',
  skip: 'How many to leave out at the beginning.',
  key: 'Label key, such as quality.',
  value: 'Label value, such as high.',
  number: 'Number of the delivery; list-hook-deliveries shows it.',
  author: 'Who sets the label, such as an email address.',
  description: 'What the task does, for people.',
}

type Place = 'params' | 'query' | 'body'

/** Members of an object schema, also of one with a default around it. */
const membersOf = (schema: z.ZodType | undefined): Record<string, z.ZodType> => {
  if (schema instanceof z.ZodObject) return schema.shape as Record<string, z.ZodType>
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault) return membersOf(schema.unwrap() as z.ZodType)
  return {}
}

interface Field {
  place: Place
  /** Its name in the API. */
  name: string
  schema: z.ZodType
}

/** Finds a member of a request by its name in the API. A name that no request has is a bug of the row. */
const fieldOf = (operation: OperationName, name: string): Field => {
  const endpoint: Endpoint = contract[operation]
  const meaning = argumentMeanings[name]
  if (new RegExp(`\\{${name}(\\.\\.\\.)?\\}`).test(endpoint.path)) {
    return {
      place: 'params',
      name,
      schema: z
        .string()
        .min(1)
        .describe(meaning ?? name),
    }
  }
  for (const place of ['query', 'body'] as const) {
    const schema = membersOf(endpoint[place])[name]
    if (schema) return { place, name, schema: schema.description || !meaning ? schema : schema.describe(meaning) }
  }
  throw new TypeError(`${operation} takes no ${name}`)
}

interface EndpointRow {
  name: string
  title: string
  description: string
  operation: OperationName
  /** Arguments of the tool: names of the API, or `argument=name` for an argument that the tool renames. */
  takes: readonly string[]
  /** Schemas that are simpler for a model than those of the API. */
  simpler?: Record<string, z.ZodType>
  /** Values of arguments that the caller has left out. */
  defaults?: Record<string, unknown>
  /** Values that are always sent, by place. */
  always?: { query?: Record<string, unknown> }
  isDestructive?: boolean
  /** Selects the part of the answer that a model needs; the whole answer if missing. */
  show?: (answer: never, args: Record<string, unknown>) => unknown
  /** The members of that part. */
  shows?: z.ZodObject
  /** The call that returns what did not fit. */
  rest?: (args: Record<string, unknown>) => { tool: string; args: Record<string, unknown> }
}

/** The members of the result: those of the answer, unless a part of it is shown. */
const outputOf = ({ operation, show, shows }: EndpointRow): z.ZodObject => {
  const { response } = contract[operation] as Endpoint
  if (shows) return shows
  if (response instanceof z.ZodObject && !show) return response
  throw new TypeError(`The tool that calls ${operation} does not say what it shows`)
}

/** Declares a tool that is one call of the API: its arguments, their checks and who may use it follow from the endpoint. */
export const endpointTool = (row: EndpointRow): Tool => {
  const fields = new Map(
    row.takes.map((one) => {
      const [argument = one, name = argument] = one.split('=')
      return [argument, fieldOf(row.operation, name)] as const
    }),
  )
  const shape = Object.fromEntries(
    [...fields].map(([argument, { schema }]) => {
      const wanted = row.simpler?.[argument] ?? schema
      return [argument, row.defaults && argument in row.defaults ? wanted.optional() : wanted]
    }),
  )
  /** The arguments as they came: what a schema makes of them is the business of the API, which reads them again. */
  const inputOf = (args: Record<string, unknown>) => {
    const input: Record<Place, Record<string, unknown>> = { params: {}, query: { ...row.always?.query }, body: {} }
    for (const [argument, value] of Object.entries({ ...row.defaults, ...args })) {
      const field = fields.get(argument)
      if (field && value !== undefined) input[field.place][field.name] = value
    }
    return { ...input, params: input.params as Record<string, string> }
  }
  const run = async (context: ToolContext, args: Record<string, unknown>): Promise<ToolOutcome> => {
    const answer = await context.call(row.operation, inputOf(args))
    const rest = row.rest?.(args)
    return {
      value: row.show ? row.show(answer as never, args) : answer,
      ...(rest && { rest: callText(rest.tool, rest.args) }),
    }
  }
  const { name, title, description, isDestructive = false } = row
  return {
    ...{ name, title, description, isDestructive, needsFolder: false },
    operations: [row.operation],
    input: z.strictObject(shape),
    output: outputOf(row),
    run,
  }
}
