import { isObject, type JsonObject } from '../../../lib/json/json-object.ts'

/** Members whose deltas bring the next piece of a text; a delta of any other member brings its value. */
const growing = new Set([
  ...['content', 'refusal', 'reasoning', 'reasoning_content', 'arguments', 'transcript', 'data'],
  ...['text', 'thinking', 'summary', 'input'],
])

/** Sets a member. Ignores `__proto__`, which would change the prototype. */
export const put = (into: JsonObject, name: string, value: unknown): void => {
  if (name !== '__proto__') into[name] = value
}

/** Elements of each list by their index, since a stream may bring very many. */
const placed = new WeakMap<unknown[], Map<unknown, JsonObject[]>>()
/** Maximum elements with the same index and different types. */
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

/** An element with an index continues the one with that index; any other is new. */
const mergeList = (list: unknown[], more: unknown[]): void => {
  for (const element of more) {
    const same = isObject(element) && element.index !== undefined ? sameElement(list, element) : undefined
    if (same && isObject(element)) mergeDelta(same, element)
    else add(list, element)
  }
}

/** Merges a delta into what has arrived before, and returns it. */
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
    } else if (value !== '' || before === undefined) put(into, name, value) // some repeat a name as ''
  }
  return into
}
