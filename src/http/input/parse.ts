import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { invalidField } from '../../lib/errors.ts'
import { parsedMemory, uncountedBytes } from '../../lib/memory/json-memory.ts'
import { unknownName } from '../../lib/text/unknown-name.ts'
import type { Warning } from '../../model/warning.ts'
import type { Endpoint } from '../endpoint.ts'
import { invalidValue } from '../errors.ts'
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

/** A body against its schema. Throws the 422 that lists what does not fit. */
export const checkBody = (schema: z.ZodType, input: unknown): unknown => {
  const parsed = schema.safeParse(input)
  if (!parsed.success) throw invalidValue('body', parsed.error, input)
  return parsed.data
}

/** Reads a JSON body: its text as sent, and its value; an empty body has no value. */
export const readJsonBody = async (
  body: Readable,
  headers: IncomingHttpHeaders,
  maxBytes: number,
  room?: Room,
  read?: (text: string, headers: IncomingHttpHeaders) => unknown,
): Promise<{ text: string; value: unknown }> => {
  const length = Number(headers['content-length'])
  if (length > maxBytes) throw bodyTooLarge(maxBytes)
  const text = decodeText(await readBytes(body, maxBytes, room, length))
  if (room && text.length > uncountedBytes) await room(parsedMemory(text))
  if (text.trim() === '') return { text, value: undefined }
  return { text, value: read?.(text, headers) ?? parseJson(text, headers['content-type'] ?? '') }
}
