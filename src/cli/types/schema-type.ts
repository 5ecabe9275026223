import { isObject } from '../../lib/json/json-object.ts'
import { findReferred } from '../../lib/json-schema/schema-references.ts'

/** Nested schemas below this depth become `unknown`. */
const deepest = 10

/** The schema that references lead into, and how many of them may still be followed. */
interface References {
  root: unknown
  left: number
}

/** Maximum references that one schema may follow: it may refer to itself. */
export const mostReferences = 100

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
export const unionOf = (types: readonly string[]): string => {
  const each = [...new Set(types)]
  return each.length === 0 || each.includes('unknown') ? 'unknown' : each.join(' | ')
}

/** Formats a name as the key of a type. */
export const memberName = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name))

/** Formats a text as a doc comment; it cannot end the comment early. */
export const docOf = (text: string, indent: string): string => {
  const line = text.replace(/\s+/g, ' ').replaceAll('*/', '*\\/').trim()
  return line === '' ? '' : `${indent}/** ${line.length > 300 ? `${line.slice(0, 300)}…` : line} */\n`
}

/** Type of a JSON type name such as `string|null`, as step templates write it. */
export const namedType = (names: string): string =>
  unionOf(names.split('|').map((name) => simpleTypes.get(name) ?? 'unknown'))

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
