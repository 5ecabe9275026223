import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { invalidField } from '../../lib/errors.ts'
import { unknownName } from '../../lib/text/nearest.ts'
import type { Warning } from '../../model/warning.ts'
import type { Endpoint } from '../endpoint.ts'
import { invalidValue } from '../errors.ts'
import type { BeforeBody } from '../implement.ts'
import { bodyTooLarge, decodeText, parseJson, readBytes } from './body.ts'
import type { Room } from './memory.ts'

/** Unwraps a schema: removes defaults, optionality and transformations. */
const innermost = (schema: unknown): unknown => {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return innermost(schema.unwrap())
  return schema instanceof z.ZodPipe ? innermost(schema.in) : schema
}

// JavaScript would take an empty text for 0, and 0x10 for 16.
const wholeNumber = { pattern: /^-?\d+$/, expected: 'a whole number', type: 'int_parsing' }
const decimalNumber = { pattern: /^-?\d+(\.\d+)?$/, expected: 'a number such as 0.25', type: 'float_parsing' }

/** Reads the query of a request target. Each name that is not known becomes a warning. */
export type ReadQuery = (target: string, warn: (warning: Warning) => void) => Record<string, unknown>

const mostListed = 20

const warnOfUnknown = (given: URLSearchParams, known: readonly string[], warn: (warning: Warning) => void): void => {
  const unknown = [...new Set(given.keys())].filter((name) => !known.includes(name))
  for (const name of unknown.slice(0, mostListed)) warn(unknownName('query parameter', name, known))
}

/** Makes the reader of an endpoint's query, once: of a repeated name the last value counts, unless it is a list. */
export const queryReader = (endpoint: Endpoint): ReadQuery => {
  const schema = endpoint.query
  const known = Object.keys(schema.shape)
  const keys = Object.entries(schema.shape).map(([name, field]) => {
    const inner = innermost(field)
    const number = inner instanceof z.ZodNumber ? (inner.isInt ? wholeNumber : decimalNumber) : undefined
    return { name, many: inner instanceof z.ZodArray, number }
  })
  const allDefault = schema.safeParse({})
  return (target, warn) => {
    const at = target.indexOf('?')
    if (at === -1 && allDefault.success) return { ...allDefault.data }
    const given = new URLSearchParams(at === -1 ? '' : target.slice(at + 1))
    warnOfUnknown(given, known, warn)
    const input: Record<string, unknown> = {}
    for (const { name, many, number } of keys) {
      const values = given.getAll(name)
      if (values.some((value) => value.includes('\0'))) throw invalidField(['query', name], 'NUL is not allowed')
      if (number && values.some((value) => !number.pattern.test(value))) {
        throw invalidField(['query', name], `Expected ${number.expected}`, number.type)
      }
      if (values.length > 0) input[name] = many ? values : values.at(-1)
    }
    const parsed = schema.safeParse(input)
    if (!parsed.success) throw invalidValue('query', parsed.error, input)
    return parsed.data
  }
}

/** Throws a 422 for a list that is longer than its schema allows. */
type RefuseLongLists = (value: unknown, path: readonly (string | number)[]) => void

const refusalsIn = (schema: z.core.JSONSchema.BaseSchema): RefuseLongLists | undefined => {
  if (schema.type === 'array') {
    const most = schema.maxItems ?? Number.POSITIVE_INFINITY
    const inside =
      typeof schema.items === 'object' && !Array.isArray(schema.items) ? refusalsIn(schema.items) : undefined
    if (most === Number.POSITIVE_INFINITY && !inside) return undefined
    return (value, path) => {
      if (!Array.isArray(value)) return
      if (value.length > most) throw invalidField([...path], `At most ${most} elements, not ${value.length}`, 'too_big')
      if (inside) for (const [at, item] of value.entries()) inside(item, [...path, at])
    }
  }
  const members = Object.entries(schema.properties ?? {}).flatMap(([name, one]) => {
    const refuse = typeof one === 'object' ? refusalsIn(one) : undefined
    return refuse ? [[name, refuse] as const] : []
  })
  if (members.length === 0) return undefined
  return (value, path) => {
    if (typeof value !== 'object' || value === null) return
    for (const [name, refuse] of members) refuse((value as Record<string, unknown>)[name], [...path, name])
  }
}

const refusals = new WeakMap<z.ZodType, { refuse: RefuseLongLists | undefined }>()

/** A schema looks at every element before it counts them: a list of a million would be read for the answer that it is too long. */
const refuseLongLists = (schema: z.ZodType, input: unknown): void => {
  const known = refusals.get(schema) ?? {
    refuse: refusalsIn(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })),
  }
  refusals.set(schema, known)
  known.refuse?.(input, ['body'])
}

/** A body against its schema. Throws the 422 that lists what does not fit. */
export const checkBody = (schema: z.ZodType, input: unknown): unknown => {
  refuseLongLists(schema, input)
  const parsed = schema.safeParse(input)
  if (!parsed.success) throw invalidValue('body', parsed.error, input)
  return parsed.data
}

/** What the body of a call may be, and who sends it. */
export interface BodyLimits {
  maxBytes: number
  mostValues: number
  owner: string
  room?: Room | undefined
  /** Reads a body that is not JSON; undefined for one that is to be read as JSON. */
  read?: BeforeBody['read']
}

/** Reads a JSON body: its text as sent, and its value; an empty body has no value. */
export const readJsonBody = async (
  body: Readable,
  headers: IncomingHttpHeaders,
  { maxBytes, room, read, ...limits }: BodyLimits,
): Promise<{ text: string; value: unknown }> => {
  const length = Number(headers['content-length'])
  if (length > maxBytes) throw bodyTooLarge(maxBytes)
  const text = decodeText(await readBytes(body, maxBytes, room, length))
  if (text.trim() === '') return { text, value: undefined }
  const parse = (json: string, contentType = 'application/json') => parseJson(json, { ...limits, contentType, room })
  return { text, value: (await read?.(text, headers, parse)) ?? (await parse(text, headers['content-type'] ?? '')) }
}
