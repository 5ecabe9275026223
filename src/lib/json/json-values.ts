import { isObject, type JsonObject } from './json-object.ts'

/** The objects in a value that should be a list. */
export const objectsOf = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : [])

/** The value if it is a string, else an empty one. */
export const stringOf = (value: unknown): string => (typeof value === 'string' ? value : '')
