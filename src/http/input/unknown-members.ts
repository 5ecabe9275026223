import { z } from 'zod'
import { type UnknownName, unknownName } from '../../lib/text/nearest.ts'

/** Finds the members of a value that its schema does not know, and reports each with its path. */
type Look = (value: unknown, path: string, report: Report) => void

/** Reports an unknown member with the known ones beside it. */
type Report = (name: string, known: readonly string[], path: string) => void

/** Maximum number of listed members: a body with a million wrong members gets a short answer. */
const mostListed = 20

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const wrappers = [
  z.ZodOptional,
  z.ZodNullable,
  z.ZodDefault,
  z.ZodPrefault,
  z.ZodNonOptional,
  z.ZodReadonly,
  z.ZodCatch,
  z.ZodLazy,
]

/** Unwraps a schema. */
const innermost = (schema: unknown): unknown => {
  if (schema instanceof z.ZodPipe) return innermost(schema.in instanceof z.ZodTransform ? schema.out : schema.in)
  const wrapper = wrappers.find((kind) => schema instanceof kind)
  return wrapper ? innermost((schema as z.ZodOptional).unwrap()) : schema
}

const ofObject = (schema: z.ZodObject): Look | undefined => {
  const known = Object.keys(schema.shape)
  const inner = new Map(known.map((name) => [name, lookOf(schema.shape[name])]))
  const { catchall } = schema._zod.def
  const isOpen = catchall !== undefined && !(catchall instanceof z.ZodNever)
  if (isOpen && [...inner.values()].every((look) => look === undefined)) return undefined
  return (value, path, report) => {
    if (!isObject(value)) return
    for (const name of Object.keys(value)) {
      const at = path === '' ? name : `${path}.${name}`
      if (inner.has(name)) inner.get(name)?.(value[name], at, report)
      else if (!isOpen) report(name, known, at)
    }
  }
}

const ofArray = (element: Look | undefined): Look | undefined =>
  element &&
  ((value, path, report) => {
    if (!Array.isArray(value)) return
    for (const [index, item] of value.entries()) element(item, `${path}[${index}]`, report)
  })

const ofRecord = (member: Look | undefined): Look | undefined =>
  member &&
  ((value, path, report) => {
    if (isObject(value)) for (const [name, one] of Object.entries(value)) member(one, `${path}.${name}`, report)
  })

/** The known members of a union are those of the first alternative that the value fits. */
const ofUnion = (options: readonly z.ZodType[]): Look | undefined => {
  const looks = options.map((option) => ({ option, look: lookOf(option) }))
  if (looks.every(({ look }) => look === undefined)) return undefined
  return (value, path, report) => {
    looks.find(({ option }) => option.safeParse(value).success)?.look?.(value, path, report)
  }
}

const lookOf = (schema: unknown): Look | undefined => {
  const inner = innermost(schema)
  if (inner instanceof z.ZodObject) return ofObject(inner)
  if (inner instanceof z.ZodArray) return ofArray(lookOf(inner.element))
  if (inner instanceof z.ZodRecord) return ofRecord(lookOf(inner.valueType))
  if (inner instanceof z.ZodUnion) return ofUnion(inner.options as z.ZodType[])
  return undefined
}

/**
 * Makes the function that lists the unknown members of a request document, once for each schema. Undefined if the
 * schema accepts everything. `more` are known names beside those of the schema.
 */
export const unknownMembersOf = (
  schema: z.ZodType,
  more: readonly string[] = [],
): ((value: unknown) => UnknownName[]) | undefined => {
  const look = lookOf(schema)
  return (
    look &&
    ((value) => {
      const found: UnknownName[] = []
      look(value, '', (name, known, path) => {
        const isListed = found.length < mostListed && !(path === name && more.includes(name))
        if (isListed) found.push(unknownName('member', name, [...known, ...more], path))
      })
      return found
    })
  )
}
