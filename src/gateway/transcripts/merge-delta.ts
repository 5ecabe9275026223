import { isObject, type JsonObject } from '../../lib/json/json-object.ts'

/** Texts of which a delta brings the next piece; of any other member it brings the value. */
const growing = new Set([
  ...['content', 'refusal', 'reasoning', 'reasoning_content', 'arguments', 'transcript', 'data'],
  ...['text', 'thinking', 'summary', 'input'],
])

/** Puts a member in, whatever it is called: `__proto__` is a name like any other. */
export const put = (into: JsonObject, name: string, value: unknown): void => {
  if (name !== '__proto__') into[name] = value
}

/** Elements of a list by their index: a stream may bring very many, and each is looked for. */
const placed = new WeakMap<unknown[], Map<unknown, JsonObject[]>>()
/** Of one index and different types. More than a few are no answer of a model. */
const mostAtOneIndex = 20

const placesOf = (list: unknown[]): Map<unknown, JsonObject[]> => {
  const places = placed.get(list) ?? new Map<unknown, JsonObject[]>()
  placed.set(list, places)
  return places
}

const sameElement = (list: unknown[], element: JsonObject): JsonObject | undefined =>
  placesOf(list)
    .get(element.index)
    ?.find((other) => other.type === undefined || element.type === undefined || other.type === element.type)

const add = (list: unknown[], element: unknown): void => {
  if (!isObject(element)) return void list.push(element)
  const fresh = mergeDelta({}, element)
  list.push(fresh)
  if (fresh.index === undefined) return
  const places = placesOf(list)
  const before = places.get(fresh.index) ?? []
  if (before.length < mostAtOneIndex) places.set(fresh.index, [...before, fresh])
}

/** Elements that have an index are pieces of the one with that index; others are new ones. */
const mergeList = (list: unknown[], more: unknown[]): void => {
  for (const element of more) {
    const same = isObject(element) && element.index !== undefined ? sameElement(list, element) : undefined
    if (same && isObject(element)) mergeDelta(same, element)
    else add(list, element)
  }
}

/** Adds what a delta brings to what has come before, and gives it back. */
export const mergeDelta = (into: JsonObject, delta: JsonObject): JsonObject => {
  for (const [name, value] of Object.entries(delta)) {
    const before = Object.hasOwn(into, name) ? into[name] : undefined
    if (value === null || value === undefined) {
      if (before === undefined) put(into, name, null)
    } else if (typeof value === 'string' && typeof before === 'string' && growing.has(name)) {
      put(into, name, before + value)
    } else if (Array.isArray(value)) {
      const list: unknown[] = Array.isArray(before) ? before : []
      mergeList(list, value)
      put(into, name, list)
    } else if (isObject(value)) {
      put(into, name, mergeDelta(isObject(before) ? before : {}, value))
    } else put(into, name, value)
  }
  return into
}
