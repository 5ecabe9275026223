import { z } from 'zod'
import type { Activity } from '../../activities/activity.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import type { Guess } from '../../lib/text/nearest.ts'
import { type Finding, question } from './finding.ts'
import type { Source } from './source.ts'

type Place = readonly PropertyKey[]

/** Maximum reported faults of one parameter. */
const mostIssues = 100

interface WrittenParameter {
  parameter: string
  /** Member of the step's config. */
  key: string
  source: Source
}

/** Finds what an activity would refuse about a parameter's literal parts, with the nearest accepted value. */
export const parameterIssues = (
  activity: Activity,
  { parameter, key: written, source }: WrittenParameter,
  guess: Guess,
): Finding[] => {
  const schema = activity.parameters.shape[parameter]
  if (schema === undefined) return []
  const unknown: Place[] = []
  const value = literalOf(source, [], unknown)
  if (value === null || value === undefined) return []
  const parsed = z.safeParse(schema, value)
  return (parsed.error?.issues ?? []).slice(0, mostIssues).flatMap((issue) => {
    if (unknown.some((place) => startsWith(place, issue.path) || startsWith(issue.path, place))) return []
    const at = issue.path.map(String)
    const word = valueAt(value, issue.path)
    const meant =
      issue.code === 'invalid_value' && typeof word === 'string' ? guess(word, issue.values.map(String)) : undefined
    return {
      message: `parameter '${[parameter, ...at].join('.')}' of ${activity.name} is not valid: ${issueText(issue)}${question(meant)}`,
      key: [written, ...at],
      meant,
    }
  })
}

const startsWith = (place: Place, start: Place): boolean => start.every((segment, at) => place[at] === segment)

const valueAt = (value: unknown, path: Place): unknown =>
  path.reduce<unknown>((from, key) => (from as Record<PropertyKey, unknown> | undefined)?.[key], value)

/** The value of a source as far as the definition has it. The places of the rest are added to `unknown`. */
const literalOf = (source: Source, at: Place, unknown: Place[]): unknown => {
  switch (source.kind) {
    case 'value':
      return source.value
    case 'list':
      return source.items.map((item, index) => literalOf(item, [...at, index], unknown))
    case 'object':
      return Object.fromEntries(source.entries.map(([key, item]) => [key, literalOf(item, [...at, key], unknown)]))
    default:
      unknown.push(at)
      return undefined
  }
}

type Schema = Record<string, unknown>

const schemas = new WeakMap<z.ZodObject, Schema>()

const schemaOf = (activity: Activity): Schema => {
  const known = schemas.get(activity.parameters)
  if (known) return known
  const { properties = {} } = z.toJSONSchema(activity.parameters, { io: 'input', unrepresentable: 'any' })
  schemas.set(activity.parameters, properties)
  return properties
}

/** Finds members inside a parameter that its schema does not have, and that would be dropped. */
export const unreadMembers = (
  activity: Activity,
  { parameter, key, source }: WrittenParameter,
  guess: Guess,
): Finding[] =>
  unreadIn(source, schemaOf(activity)[parameter], [])
    .slice(0, mostIssues)
    .map(({ at, names }) => {
      const name = String(at.at(-1))
      const meant = guess(name, names)
      const where = [parameter, ...at.slice(0, -1)].map(String).join('.')
      return { message: `unknown member '${name}' in ${where}${question(meant)}`, key: [key, ...at.map(String)], meant }
    })

interface Unread {
  at: Place
  names: string[]
}

const unreadIn = (source: Source, schema: unknown, at: Place): Unread[] => {
  if (!isObject(schema)) return []
  const members = membersOf(source)
  const choices = [schema.anyOf, schema.oneOf].find(Array.isArray)
  if (choices) {
    const kind = Array.isArray(members) ? 'array' : 'object'
    const found = choices
      .filter((choice) => isObject(choice) && (choice.type ?? kind) === kind)
      .map((choice) => unreadIn(source, choice, at))
    return found.sort((left, right) => left.length - right.length)[0] ?? []
  }
  if (Array.isArray(members)) return members.flatMap((item, index) => unreadIn(item, schema.items, [...at, index]))
  const { properties, additionalProperties } = schema
  return Object.entries(members ?? {}).flatMap(([key, item]) => {
    const place = [...at, key]
    if (isObject(properties) && Object.hasOwn(properties, key)) return unreadIn(item, properties[key], place)
    if (additionalProperties !== undefined || !isObject(properties)) return unreadIn(item, additionalProperties, place)
    return [{ at: place, names: Object.keys(properties) }]
  })
}

const membersOf = (source: Source): Source[] | Record<string, Source> | undefined => {
  if (source.kind === 'list') return source.items
  if (source.kind === 'object') return Object.fromEntries(source.entries)
  if (source.kind !== 'value') return undefined
  const asSource = (value: unknown): Source => ({ kind: 'value', value })
  if (Array.isArray(source.value)) return source.value.map(asSource)
  return isObject(source.value)
    ? Object.fromEntries(Object.entries(source.value).map(([key, value]) => [key, asSource(value)]))
    : undefined
}
