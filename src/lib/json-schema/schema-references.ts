import { isObject } from '../json/json-object.ts'

const longestReference = 1_000

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Tells whether a reference stays within its schema: `#`, or `#/` and a JSON Pointer. */
export const isLocalReference = (reference: string): boolean => /^#(\/|$)/.test(reference)

/** Finds what a reference within a schema refers to; undefined for nothing, and for one that leads elsewhere. */
export const findReferred = (root: unknown, reference: string): { schema: unknown } | undefined => {
  const pointer = isLocalReference(reference) && reference.length <= longestReference ? decoded(reference) : undefined
  if (pointer === undefined) return undefined
  let schema = root
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(schema) ? !/^\d{1,6}$/.test(name) : !isObject(schema) || !Object.hasOwn(schema, name))
      return undefined
    schema = (schema as Record<string, unknown>)[name]
  }
  return isObject(schema) || typeof schema === 'boolean' ? { schema } : undefined
}
