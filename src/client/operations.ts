import { z } from 'zod'
import type { Contract, Endpoint, SpecialAnswer } from '../http/endpoint.ts'

/** An operation as plain data: requests need no schema. */
export interface Operation {
  method: Endpoint['method']
  path: string
  summary: string
  tag: string
  access: Endpoint['access']
  /** Names of the path parameters, in order. */
  params: string[]
  query: string[]
  /** `form`: multipart, with these file fields; `json`: a JSON body; `none`: no body. */
  body: 'none' | 'json' | 'form'
  fields: string[]
  /** Text fields: `5` stays `"5"` in them. */
  texts: string[]
  files: readonly string[]
  answer: 'json' | SpecialAnswer
  /** Takes an Idempotency-Key. */
  idempotent?: true
}

/**
 * What a request needs of an operation, without texts for people. Pages load all of them, so that what most have is left
 * out: no body, and JSON as the answer.
 */
export type WireOperation = Pick<Operation, 'method' | 'path' | 'idempotent'> &
  Partial<Pick<Operation, 'body' | 'answer'>>

/** All operations of `contract` by name. */
export type Operations = Readonly<Record<string, Operation>>

const fieldsOf = (schema: z.ZodType | undefined): string[] =>
  schema instanceof z.ZodObject ? Object.keys(schema.shape) : []

const isText = (schema: z.ZodType): boolean => {
  const { type, anyOf } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as {
    type?: string
    anyOf?: { type?: string }[]
  }
  return type === 'string' || (anyOf?.every((one) => one.type === 'string' || one.type === 'null') ?? false)
}

const textsOf = (schema: z.ZodType | undefined): string[] =>
  schema instanceof z.ZodObject
    ? Object.entries(schema.shape)
        .filter(([, field]) => isText(field as z.ZodType))
        .map(([name]) => name)
    : []

const describe = (endpoint: Endpoint): Operation => ({
  method: endpoint.method,
  path: endpoint.path,
  summary: endpoint.summary,
  tag: endpoint.tag,
  access: endpoint.access,
  params: [...endpoint.path.matchAll(/\{(\w+)(?:\.\.\.)?\}/g)].map((match) => match[1] ?? ''),
  query: fieldsOf(endpoint.query),
  body: endpoint.form ? 'form' : endpoint.body ? 'json' : 'none',
  fields: fieldsOf(endpoint.body),
  texts: textsOf(endpoint.body),
  files: endpoint.files,
  answer: typeof endpoint.response === 'string' ? endpoint.response : 'json',
  ...(endpoint.idempotent ? { idempotent: true as const } : {}),
})

export const describeOperations = (contract: Contract): Operations =>
  Object.fromEntries(Object.entries(contract).map(([name, endpoint]) => [name, describe(endpoint)]))

/** What requests need of all operations of `contract`, by name. */
export const describeWireOperations = (contract: Contract): Readonly<Record<string, WireOperation>> =>
  Object.fromEntries(
    Object.entries(describeOperations(contract)).map(([name, { method, path, body, answer, idempotent }]) => [
      name,
      {
        method,
        path,
        ...(body !== 'none' && { body }),
        ...(answer !== 'json' && { answer }),
        ...(idempotent && { idempotent }),
      },
    ]),
  )
