import { isObject } from '../json/json-object.ts'
import { findReferred } from './schema-references.ts'

/** One segment of a path into a value: a member, an element, or each of them. */
type PathSegment = { kind: 'name'; name: string } | { kind: 'index'; index: number } | { kind: 'each' }

/** What a schema says of the inside of its values. */
interface Inside {
  /** Schemas of the members that it names. */
  members: Map<string, unknown[]>
  /** Whether there may be members that it does not name. */
  isOpen: boolean
  /** Schemas of those members. */
  others: unknown[]
  isList: boolean
  /** Schemas of the elements. */
  elements: unknown[]
}

/** Where a path leaves what a schema describes. */
export interface PathFault {
  /** Index of the first segment that the schema does not describe. */
  at: number
  /** Members that the schema names there. */
  names: string[]
  /** Whether a member with another name may exist all the same. */
  isOpen: boolean
  isList: boolean
}

/** Bounds the work: schemas may refer to themselves. What lies beyond counts as a schema that allows everything. */
const mostVisited = 20_000
const deepestSchema = 50

/** How many schemas may still be looked at. */
export interface VisitBudget {
  left: number
}

interface Budget {
  root: unknown
  visits: VisitBudget
}

const anything = (): Inside => ({ members: new Map(), isOpen: true, others: [], isList: true, elements: [true] })
const nothing = (): Inside => ({ members: new Map(), isOpen: false, others: [], isList: false, elements: [] })

/** Adds what another schema says to `left`: of values that fit both, or one of them. */
const add = (left: Inside, right: Inside, isBoth: boolean, { visits }: Budget): Inside => {
  // Schemas that refer to themselves would double what is carried along with each of them.
  visits.left -= right.members.size + right.others.length + right.elements.length
  for (const [name, schemas] of right.members) {
    const known = left.members.get(name)
    if (known) for (const schema of schemas) known.push(schema)
    else left.members.set(name, schemas)
  }
  const either = (one: boolean, other: boolean) => (isBoth ? one && other : one || other)
  left.isOpen = either(left.isOpen, right.isOpen)
  left.isList = either(left.isList, right.isList)
  for (const schema of right.others) left.others.push(schema)
  for (const schema of right.elements) left.elements.push(schema)
  return left
}

const ownInside = (schema: Record<string, unknown>): Inside => {
  const types = schema.type === undefined ? undefined : [schema.type].flat()
  const mayBe = (type: string) => types === undefined || types.includes(type)
  const { properties, additionalProperties: others, items, prefixItems } = schema
  const isOpen = mayBe('object') && (others !== false || isObject(schema.patternProperties))
  return {
    members: new Map(
      mayBe('object') && isObject(properties) ? Object.entries(properties).map(([k, v]) => [k, [v]]) : [],
    ),
    isOpen,
    others: isOpen && isObject(others) ? [others] : [],
    isList: mayBe('array'),
    elements: mayBe('array') ? [...(Array.isArray(prefixItems) ? prefixItems : []), ...elementsOf(items)] : [],
  }
}

const elementsOf = (items: unknown): unknown[] =>
  Array.isArray(items) ? items : items === undefined ? [true] : [items]

const insideOf = (schema: unknown, budget: Budget, depth = 0): Inside => {
  if (schema === false) return nothing()
  if (!isObject(schema) || budget.visits.left <= 0 || depth > deepestSchema) return anything()
  const inside = ownInside(schema)
  budget.visits.left -= 1 + inside.members.size + inside.elements.length
  const within = (one: unknown) => insideOf(one, budget, depth + 1)
  if (typeof schema.$ref === 'string') {
    const referred = findReferred(budget.root, schema.$ref)
    add(inside, referred ? within(referred.schema) : anything(), true, budget)
  }
  for (const one of Array.isArray(schema.allOf) ? schema.allOf : []) add(inside, within(one), true, budget)
  for (const several of [schema.anyOf, schema.oneOf]) {
    if (Array.isArray(several) && several.length > 0) add(inside, insideOfAny(several, budget, depth + 1), true, budget)
  }
  return inside
}

const insideOfAny = (schemas: readonly unknown[], budget: Budget, depth = 0): Inside => {
  const inside = nothing()
  for (const schema of schemas) {
    if (budget.visits.left <= 0) return anything()
    add(inside, insideOf(schema, budget, depth), false, budget)
  }
  return inside
}

const follow = (inside: Inside, segment: PathSegment): unknown[] => {
  const { members, others, elements, isList, isOpen } = inside
  if (segment.kind === 'index') return isList ? elements : []
  if (segment.kind === 'each') {
    const open = isOpen && others.length === 0 ? [true] : others
    return [...(isList ? elements : []), ...[...members.values()].flat(), ...open]
  }
  const found = members.get(segment.name) ?? (members.size === 0 ? others : [])
  return isList && /^\d{1,15}$/.test(segment.name) ? [...found, ...elements] : found
}

/**
 * Finds where a path leaves what a schema describes; undefined if it names all of it, says nothing about it, or the
 * budget is used up.
 */
export const pathFault = (
  schema: unknown,
  path: readonly PathSegment[],
  visits: VisitBudget = { left: mostVisited },
): PathFault | undefined => {
  const budget = { root: schema, visits }
  let current: unknown[] = [schema]
  for (const [at, segment] of path.entries()) {
    const inside = insideOfAny(current, budget)
    const next = follow(inside, segment)
    if (next.length === 0) {
      const isOpen = inside.isOpen && segment.kind === 'name'
      return { at, names: [...inside.members.keys()], isOpen, isList: inside.isList }
    }
    current = next
  }
  return undefined
}

const typeOf = (schema: unknown, budget: Budget, depth = 0): string => {
  if (!isObject(schema) || budget.visits.left-- <= 0 || depth > deepestSchema) return 'any'
  if (schema.type !== undefined) return [schema.type].flat().join('|')
  if (typeof schema.$ref === 'string') return typeOf(findReferred(budget.root, schema.$ref)?.schema, budget, depth + 1)
  const several = schema.anyOf ?? schema.oneOf
  if (Array.isArray(several)) return [...new Set(several.map((one) => typeOf(one, budget, depth + 1)))].join('|')
  if (Array.isArray(schema.enum)) return [...new Set(schema.enum.map((value) => typeof value))].join('|')
  return isObject(schema.properties) ? 'object' : 'any'
}

/** A path into the values of a schema, such as `.items[*].price`, and the JSON type there. */
interface SchemaPath {
  path: string
  type: string
}

const deepestPath = 4

const spelled = (name: string): string =>
  /^[A-Za-z0-9_-]+$/.test(name) ? `.${name}` : `[${name.includes("'") ? `"${name}"` : `'${name}'`}]`

/** Lists the paths that a schema names, outer ones first: at most `most`, and four names deep. */
export const schemaPaths = (schema: unknown, most: number): SchemaPath[] => {
  const budget = { root: schema, visits: { left: mostVisited } }
  const found: SchemaPath[] = []
  let level: { path: string; schemas: unknown[] }[] = [{ path: '', schemas: [schema] }]
  for (let depth = 0; depth < deepestPath && level.length > 0 && found.length < most; depth++) {
    const next: typeof level = []
    for (const { path, schemas } of level) {
      const { members, isList, elements } = insideOfAny(schemas, budget)
      const inElements = isList && members.size === 0 ? insideOfAny(elements, budget).members : new Map()
      const each = [...[...members].map(([name, one]) => [spelled(name), one] as const), ...inList(inElements)]
      for (const [name, one] of each) next.push({ path: `${path}${name}`, schemas: one })
      if (found.length + next.length >= most) break
    }
    found.push(...next.map(({ path, schemas }) => ({ path, type: typeOf(schemas[0], budget) })))
    level = next
  }
  return found.slice(0, most)
}

const inList = (members: Map<string, unknown[]>): [string, unknown[]][] =>
  [...members].map(([name, schemas]) => [`[*]${spelled(name)}`, schemas])
