import { isObject, type JsonObject } from '../../lib/json/json-object.ts'

/** The objects among the elements of what should be a list. */
export const objectsIn = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : [])

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
