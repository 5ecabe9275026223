// Compares what a server sends with the OpenAPI document that it publishes.
import { z } from 'zod'

type Json = Record<string, unknown>

/** A published JSON schema, and the schemas that its references lead to. */
export interface Published {
  schema: Json
  components: Record<string, Json>
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

const resolved = ({ schema, components }: Published): Json => {
  const name = typeof schema.$ref === 'string' ? schema.$ref.split('/').at(-1) : undefined
  if (name === undefined) return schema
  const found = components[name]
  if (!found) throw new Error(`The reference ${schema.$ref} leads nowhere`)
  return resolved({ schema: found, components })
}

const typeOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)

/** Whether a value has one of the types that a schema names. */
const fitsType = ({ type }: Json, value: unknown): boolean =>
  type === undefined || [type].flat().some((one) => (one === 'integer' ? 'number' : one) === typeOf(value))

/**
 * Paths of the members of a value that its schema does not declare, and of those whose type is another one. An object is
 * open only where the schema says so with `additionalProperties`.
 */
export const undeclared = (published: Published, value: unknown, path = ''): string[] => {
  const schema = resolved(published)
  const of = (part: unknown): Published => ({ schema: part as Json, components: published.components })
  const alternatives = (schema.anyOf ?? schema.oneOf) as Json[] | undefined
  if (alternatives) {
    const found = alternatives.map((one) => undeclared(of(one), value, path))
    return found.sort((one, other) => one.length - other.length)[0] ?? []
  }
  if (!fitsType(schema, value)) return [`${path}: ${JSON.stringify(value)?.slice(0, 60)} is no ${schema.type}`]
  if (Array.isArray(value)) {
    return schema.items ? value.flatMap((one) => undeclared(of(schema.items), one, `${path}[]`)) : []
  }
  if (!isObject(value) || schema.type === undefined) return []
  const members = (schema.properties ?? {}) as Json
  const missing = ((schema.required ?? []) as string[]).filter((name) => !Object.hasOwn(value, name))
  return [
    ...missing.map((name) => `${path}.${name} is missing`),
    ...Object.entries(value).flatMap(([name, member]) => {
      const at = `${path}.${name}`
      if (Object.hasOwn(members, name)) return undeclared(of(members[name]), member, at)
      if (schema.additionalProperties === undefined || schema.additionalProperties === false) return [at]
      return isObject(schema.additionalProperties) ? undeclared(of(schema.additionalProperties), member, at) : []
    }),
  ]
}

/** The answer of an operation with a status, as an OpenAPI document describes it; undefined where it is no JSON. */
export const publishedAnswer = (document: Json, operation: string, status: number): Published | undefined => {
  const { paths, components } = document as {
    paths: Record<string, Record<string, { operationId: string; responses: Record<string, Json> }>>
    components: { schemas: Record<string, Json> }
  }
  const one = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .find(({ operationId }) => operationId === operation)
  const answer = one?.responses[status] as { content?: Record<string, { schema: Json }> } | undefined
  const schema = answer?.content?.['application/json']?.schema
  return schema && { schema, components: components.schemas }
}

/** A schema of ours as it would be published. */
export const publishedSchema = (schema: z.ZodType): Published => {
  const { $defs, ...whole } = z.toJSONSchema(schema) as Json & { $defs?: Record<string, Json> }
  return { schema: whole, components: $defs ?? {} }
}
