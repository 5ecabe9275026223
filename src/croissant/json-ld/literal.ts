import type { LinkedValue } from './linked-graph.ts'

const xsd = 'http://www.w3.org/2001/XMLSchema#'
const jsonDatatype = 'http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON'

/** The value of a literal with a datatype; its text where the datatype is none of JSON's, or does not fit. */
const typedValue = (value: unknown, datatype: string): string | number | boolean => {
  const text = String(value)
  if (datatype === `${xsd}integer` && /^\s*[+-]?\d+\s*$/.test(text)) return Number(text)
  if (datatype === `${xsd}double` && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text)
  if (datatype === `${xsd}boolean` && /^(true|false|1|0)$/.test(text)) return text === 'true' || text === '1'
  return text
}

/** A literal of a value that has a datatype. */
export const typedLiteral = (value: unknown, datatype: string | null, pointer: string): LinkedValue => {
  if (datatype === '@json' || datatype === jsonDatatype) return { kind: 'json', value, pointer }
  const literal = datatype === null ? plainValue(value) : typedValue(value, datatype)
  return { kind: 'literal', value: literal, language: null, pointer }
}

const plainValue = (value: unknown): string | number | boolean =>
  typeof value === 'number' || typeof value === 'boolean' ? value : String(value)

/** Whether a text has the form of a language tag, such as `en` or `pt-BR`. */
export const isLanguageTag = (text: string): boolean => /^[a-zA-Z]+(-[a-zA-Z0-9]+)*$/.test(text)

/** A literal of a value without a datatype; only texts have a language. */
export const plainLiteral = (value: unknown, language: string | null, pointer: string): LinkedValue => ({
  kind: 'literal',
  value: plainValue(value),
  language: typeof value === 'string' ? language : null,
  pointer,
})
