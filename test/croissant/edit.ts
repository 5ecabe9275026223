import { isObject, type JsonObject } from '../../src/lib/json/json-object.ts'

/** The object at a path such as `recordSet/0/field`; an empty one where there is none. */
export const at = (document: JsonObject, path: string): JsonObject => {
  let current: unknown = document
  for (const key of path.split('/')) current = (current as JsonObject | undefined)?.[key]
  return isObject(current) || Array.isArray(current) ? (current as JsonObject) : {}
}

const split = (document: JsonObject, path: string): [holder: JsonObject, key: string] => {
  const slash = path.lastIndexOf('/')
  return [slash < 0 ? document : at(document, path.slice(0, slash)), path.slice(slash + 1)]
}

/** Sets a member at a path. */
export const set = (document: JsonObject, path: string, value: unknown): void => {
  const [holder, key] = split(document, path)
  holder[key] = value
}

/** Removes a member at a path. */
export const drop = (document: JsonObject, path: string): void => {
  const [holder, key] = split(document, path)
  delete holder[key]
}
