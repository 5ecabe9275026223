import { isObject } from '../../../../src/lib/json/json-object.ts'

/** A fault of a JSON Schema, at the member that a JSON Pointer names. */
interface SchemaFault {
  pointer: string
  severity: 'error' | 'warning'
  message: string
}

type Members = Record<string, unknown>

const types: ReadonlySet<unknown> = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'])
const mostDepth = 50

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : value === undefined ? [] : [value])
const part = (name: string | number): string => `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`

const isPattern = (text: string): boolean => {
  try {
    new RegExp(text, 'u')
    return true
  } catch {
    return false
  }
}

/** What a `$ref` within the document leads to. */
const target = (root: Members, reference: string): unknown =>
  reference
    .slice(1)
    .split('/')
    .slice(1)
    .map((name) => decodeURI(name).replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>(
      (value, name) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, name)
          ? (value as Members)[name]
          : undefined,
      root,
    )

const hasTarget = (root: Members, reference: unknown): boolean => {
  if (typeof reference !== 'string' || !reference.startsWith('#')) return false
  try {
    return target(root, reference) !== undefined
  } catch {
    return false
  }
}

/** The schemas within a schema, with their pointers. */
const inner = (schema: Members): [pointer: string, schema: unknown][] => {
  const named = ['properties', '$defs', 'definitions', 'patternProperties'].flatMap((name) => {
    const of = schema[name]
    return isObject(of) ? Object.entries(of).map(([key, one]): [string, unknown] => [part(name) + part(key), one]) : []
  })
  const listed = ['anyOf', 'oneOf', 'allOf', 'prefixItems'].flatMap((name) =>
    (Array.isArray(schema[name]) ? schema[name] : []).map((one, at): [string, unknown] => [part(name) + part(at), one]),
  )
  const single = ['items', 'not', 'additionalProperties']
    .filter((name) => schema[name] !== undefined && typeof schema[name] !== 'boolean' && !Array.isArray(schema[name]))
    .map((name): [string, unknown] => [part(name), schema[name]])
  return [...named, ...listed, ...single]
}

type Tell = (below: string, message: string, severity?: SchemaFault['severity']) => void

const checkOne = (schema: Members, root: Members, tell: Tell): void => {
  for (const type of listOf(schema.type)) {
    if (!types.has(type)) tell('/type', `There is no type ${JSON.stringify(type)}: use ${[...types].join(', ')}`)
  }
  const { properties, required, pattern } = schema
  if (properties !== undefined && !isObject(properties)) tell('/properties', 'properties is an object of schemas')
  if (required !== undefined && !Array.isArray(required)) tell('/required', 'required is a list of names')
  const known = isObject(properties) ? properties : {}
  for (const [at, name] of (Array.isArray(required) ? required : []).entries()) {
    const isKnown = typeof name === 'string' && Object.hasOwn(known, name)
    if (!isKnown) tell(`/required${part(at)}`, `No property is called ${JSON.stringify(name)}`)
  }
  if (schema.enum !== undefined && !(Array.isArray(schema.enum) && schema.enum.length > 0)) {
    tell('/enum', 'enum is a list with at least one value')
  }
  if (pattern !== undefined && !(typeof pattern === 'string' && isPattern(pattern))) {
    tell('/pattern', 'pattern is no regular expression')
  }
  if (schema.$ref !== undefined && !hasTarget(root, schema.$ref)) {
    tell('/$ref', 'The reference leads nowhere in this document: write one such as #/$defs/name')
  }
}

/** What OpenAI asks of a schema that is strict. */
const checkStrict = (schema: Members, tell: Tell): void => {
  if (!isObject(schema.properties)) return
  const required = new Set(Array.isArray(schema.required) ? schema.required : [])
  const missing = Object.keys(schema.properties).filter((name) => !required.has(name))
  if (missing.length > 0)
    tell('/properties', `A strict schema requires all properties: add ${missing.join(', ')}`, 'warning')
  if (schema.additionalProperties !== false) {
    tell('/properties', 'A strict schema needs "additionalProperties": false', 'warning')
  }
}

/** Finds what is wrong with a JSON Schema before a model sees it. A warning is what some providers refuse. */
export const schemaFaults = (root: Members, isStrict: boolean): SchemaFault[] => {
  const faults: SchemaFault[] = []
  const visit = (schema: unknown, pointer: string, depth: number): void => {
    const tell: Tell = (below, message, severity = 'error') =>
      void faults.push({ pointer: pointer + below, severity, message })
    if (typeof schema === 'boolean') return
    if (!isObject(schema)) tell('', 'A schema is an object')
    else if (depth > mostDepth) tell('', `Schemas are nested more than ${mostDepth} deep`)
    else {
      checkOne(schema, root, tell)
      if (isStrict) checkStrict(schema, tell)
      for (const [below, one] of inner(schema)) visit(one, pointer + below, depth + 1)
    }
  }
  visit(root, '', 0)
  if (root.type !== 'object' && root.$ref === undefined && root.anyOf === undefined)
    faults.push({ pointer: '', severity: 'warning', message: 'Most models need "type": "object" at the top' })
  return faults
}
