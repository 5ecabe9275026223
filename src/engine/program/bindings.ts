import { z } from 'zod'
import type { Activity } from '../../activities/activity.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { Pieces } from '../../lib/slices.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import type { Guess } from '../../lib/text/nearest.ts'
import { type Finding, question, type Report } from './finding.ts'
import type { Path } from './paths.ts'
import {
  literalUnlessPath,
  mostReferences,
  type Notes,
  neededPathsOf,
  pathsOf,
  type Roots,
  reference,
  type Source,
  staticValue,
  type Writing,
} from './source.ts'

/**
 * Deprecated names of a parameter, accepted with a warning if the current one is absent: `.meta({ aliases: [...] })`.
 */
interface ParameterMeta {
  aliases?: string[]
  /** Value if a path has no value or null. */
  missing?: unknown
  /** How a form asks for it, if that does not follow from its type: a text of several lines, code, a list of texts, JSON. */
  input?: 'text' | 'code' | 'list' | 'json'
  /** The language of the code, such as `jsonata`, or the parameter that names it. */
  language?: string
}

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
const unreadMembers = (activity: Activity, { parameter, key, source }: WrittenParameter, guess: Guess): Finding[] =>
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

/** The origin of a parameter's value: `source`, or `fallback` if the source has none. */
export interface Binding {
  parameter: string
  /** Member of the step's config. */
  key: string
  source: Source
  fallback: Source | undefined
  required: boolean
  /** Value when the source leads to nothing. */
  missing: unknown
  /** Whether the step goes on, with a warning, without what leads to nothing. */
  isLenient: boolean
}

export const readsOf = (binding: Binding): Path[] => [
  ...pathsOf(binding.source),
  ...(binding.fallback ? pathsOf(binding.fallback) : []),
]

/** The paths of a binding that must lead somewhere, or its step fails. */
export const neededReadsOf = ({ source, fallback, required, isLenient, missing }: Binding): Path[] => {
  if (fallback || (!required && (isLenient || missing !== undefined))) return []
  return required && source.kind === 'path' ? [source.path] : neededPathsOf(source)
}

/** Config keys reserved for the engine, whatever the activity declares. */
const engineKeys = new Set(['activity', 'depends_on', 'options', '__proto__'])

/** Config keys that are for the engine, or for people, unless the activity declares them. */
const keysOfAny = new Set(['timeout_sec', 'runs_on', 'description', 'comment', 'notes'])

/** Binds each parameter of a step to its source. Reports errors, and warns about possible mistakes. */
export function* bindParameters(
  config: Record<string, unknown>,
  activity: Activity,
  roots: Roots,
  notes: Notes,
): Pieces<Binding[]> {
  const written = new Map<string, Written>()
  for (const [key, value] of Object.entries(config)) {
    if (engineKeys.has(key)) continue
    if (keysOfAny.has(key) && !Object.hasOwn(activity.parameters.shape, key)) continue
    const report: Report = (message, site) => notes.report(message, { key, ...site })
    const warn: Report = (message, site) =>
      notes.warnings.push({ message: `parameter '${key}': ${message}`, key, ...site })
    const name = aliasesOf(activity).get(key) ?? key
    const writing = writingOf(name, activity, rootsFor(key, config, activity, roots), { report, warn })
    place(written, key, sourceOf(key, name, value, activity, writing))
    yield
  }
  const bindings = yield* bind(written, activity, notes)
  for (const { parameter, source, key } of bindings) {
    for (const { message, ...site } of unreadMembers(activity, { parameter, key, source }, notes.guess)) {
      notes.fault(message, site)
    }
    yield
  }
  return bindings
}

/** A `{{name}}` for which the step itself has a value is its own placeholder, even if a step has that name. */
const rootsFor = (key: string, config: Record<string, unknown>, activity: Activity, roots: Roots): Roots => {
  const given = [
    activity.takesAnyParameter ? config : {},
    ...[config.variables, config.user_prompt_params].filter(isObject),
  ]
  const own = (root: string) => [root, `${root}_path`].some((name) => given.some((one) => Object.hasOwn(one, name)))
  return key.endsWith('_path') || key.endsWith('_path_expr')
    ? roots
    : { known: (root) => roots.known(root) && !own(root), problem: roots.problem }
}

interface Written {
  key: string
  byPath?: Source
  byValue?: Source
}

interface Placed {
  target: string
  byPath: boolean
  source: Source
}

const writingOf = (
  parameter: string,
  { names, nested, typed, lenient }: Activity,
  roots: Roots,
  { report, warn }: Pick<Writing, 'report' | 'warn'>,
): Writing => ({
  roots,
  report,
  warn,
  members: names.includes(parameter) ? 'names' : nested.includes(parameter) ? 'references' : 'known references',
  fillsEnvironment: !lenient,
  keepsTypes: typed.includes(parameter),
  references: { left: mostReferences },
})

/** Applies the naming rules in order: which parameter a key means, and how its value is read. */
const sourceOf = (key: string, name: string, value: unknown, activity: Activity, writing: Writing): Placed => {
  const declared = (name: string) => Object.hasOwn(activity.parameters.shape, name)
  if (key.endsWith('_path') && declared(key)) {
    return { target: key, byPath: false, source: literalUnlessPath(value, writing) }
  }
  if (key.endsWith('_path_expr')) {
    const path = key.slice(0, -5)
    const target = declared(path) ? path : key.slice(0, -10)
    return { target, byPath: true, source: reference(value, writing) }
  }
  if (key.endsWith('_path')) return { target: key.slice(0, -5), byPath: true, source: reference(value, writing) }
  if (activity.literal.includes(name)) return { target: key, byPath: false, source: { kind: 'value', value } }
  const mayBePath =
    (activity.pathsInArrays.includes(name) && Array.isArray(value)) || activity.references.includes(name)
  const source = mayBePath ? literalUnlessPath(value, writing) : staticValue(value, writing)
  return { target: key, byPath: false, source }
}

const place = (written: Map<string, Written>, key: string, placed: Placed): void => {
  const entry = written.get(placed.target) ?? { key }
  if (placed.byPath) Object.assign(entry, { key, byPath: placed.source })
  else entry.byValue = placed.source
  written.set(placed.target, entry)
}

/** Binds aliases when the current name is absent; warns about undeclared keys. */
function* bind(
  written: Map<string, Written>,
  activity: Activity,
  { fault, warnings, guess: guessOf }: Notes,
): Pieces<Binding[]> {
  const shape = activity.parameters.shape
  const aliases = aliasesOf(activity)
  const required = requiredOf(activity)
  const bindings = new Map<string, Binding>()
  const add = (parameter: string, { key, byPath, byValue }: Written) => {
    bindings.set(parameter, {
      parameter,
      key,
      source: byPath ?? byValue ?? { kind: 'value', value: undefined },
      fallback: byPath ? byValue : undefined,
      required: required.has(parameter),
      missing: metaOf(shape[parameter])?.missing,
      isLenient: activity.lenient,
    })
  }
  for (const [name, entry] of written) if (Object.hasOwn(shape, name)) add(name, entry)
  const names = Object.keys(shape)
  for (const [name, entry] of written) {
    yield
    if (Object.hasOwn(shape, name)) continue
    const target = aliases.get(name)
    if (target) {
      warnings.push({ message: `parameter '${name}' is an old name; use '${target}'`, key: name, meant: target })
      if (!bindings.has(target)) add(target, entry)
    } else if (activity.takesAnyParameter) add(name, entry)
    else {
      const meant = guessOf(name, names)
      fault(`unknown parameter '${name}'${question(meant)}`, { key: entry.key, meant })
    }
  }
  return [...bindings.values()]
}

const requiredByParameters = new WeakMap<z.ZodObject, Set<string>>()

/** Names of required parameters, from the JSON Schema: it knows that an "any" value must still be present. */
export const requiredOf = (activity: Activity): Set<string> => {
  const known = requiredByParameters.get(activity.parameters)
  if (known) return known
  const schema = z.toJSONSchema(activity.parameters, { io: 'input', unrepresentable: 'any' })
  const required = new Set(schema.required ?? [])
  requiredByParameters.set(activity.parameters, required)
  return required
}

const metaOf = (field: unknown): ParameterMeta | undefined =>
  (field as { meta(): ParameterMeta | undefined } | undefined)?.meta()

const aliasesByParameters = new WeakMap<z.ZodObject, Map<string, string>>()

const aliasesOf = (activity: Activity): Map<string, string> => {
  const known = aliasesByParameters.get(activity.parameters)
  if (known) return known
  const aliases = new Map<string, string>()
  for (const [name, field] of Object.entries(activity.parameters.shape)) {
    for (const alias of metaOf(field)?.aliases ?? []) aliases.set(alias, name)
  }
  aliasesByParameters.set(activity.parameters, aliases)
  return aliases
}
