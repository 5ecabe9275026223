import type { Tool as ToolDescription } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'

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
