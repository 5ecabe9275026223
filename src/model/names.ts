import { z } from 'zod'

/** Names of collections and tasks: one path segment without percent-encoding. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** Names that may be looked up: a leading `_` marks the server's own tasks. */
const knownNamePattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/

export const isName = (text: string): boolean => knownNamePattern.test(text)

const grammar =
  'Names start with a letter or digit, then up to 127 letters, digits, dots, underscores or hyphens, such as my-name'

/** First segments of API and web routes, which a collection of that name would hide. */
const reservedCollectionNames = new Set([
  ...['search', 'data', 'mlcroissant-validation', 'collection'],
  ...['settings', 'sign-up', 'sign-in', 'api', 'docs', 'trajectory', 'assets'],
  ...['health', 'metrics', 'mcp', 'v1', 'openapi.json', 'llms.txt', 'llms-full.txt'],
])

const reservedTaskNames = new Set(['search'])

const nameOutside = (reserved: ReadonlySet<string>) =>
  z
    .string()
    .regex(namePattern, grammar)
    .refine((name) => !reserved.has(name.toLowerCase()), 'This name is reserved for a route; choose another one')

export const collectionNameSchema = nameOutside(reservedCollectionNames)
export const taskNameSchema = nameOutside(reservedTaskNames)
export const routineNameSchema = nameOutside(new Set())

/** Name of a dataset, a trained model or an agent. */
export const entityNameSchema = nameOutside(new Set())

/** Storable text: Postgres allows no NUL. */
export const textSchema = z
  .string()
  .max(100_000)
  .refine((text) => !text.includes('\0'), 'NUL is not allowed')

/** A short text on one line, such as a key's name. */
export const labelTextSchema = z
  .string()
  .trim()
  .min(1)
  .max(200)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'Control characters are not allowed')

/** Numbers of items to skip, and to return at most. */
export const skipSchema = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0)
export const limitSchema = z.coerce.number().int().min(1).max(500).default(100)

/** Cursor of a list whose rows are ordered by a number. */
export const numberCursorSchema = z
  .string()
  .regex(/^\d{1,15}$/, 'Expected the next_cursor of an earlier response, unchanged')
  .optional()
  .describe('`next_cursor` of the previous response.')

/** A time on the wire: ISO 8601, UTC, microseconds. */
export const timestampSchema = z.string().meta({ format: 'date-time', example: '2026-11-25T08:30:00.123000Z' })

const moment = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/i

const zoneMinutes = (zone: string): number | undefined => {
  if (/^z?$/i.test(zone)) return 0
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))]
  return hours > 23 || minutes > 59 ? undefined : (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}

/** Parses a time; undefined for an impossible date: `Date.parse` turns 30 February into 1 March. */
const readMoment = (text: string): number | undefined => {
  const parts = moment.exec(text)
  if (!parts) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
    .slice(1, 7)
    .map((part) => Number(part ?? 0))
  const ms = Number((parts[7] ?? '').slice(1, 4).padEnd(3, '0'))
  const at = new Date(0)
  at.setUTCFullYear(year, month - 1, day)
  const isDay = month >= 1 && at.getUTCMonth() === month - 1 && day >= 1 && at.getUTCDate() === day
  const isMidnight = hour === 24 && minute === 0 && second === 0 && ms === 0 // 24:00 is the end of a day
  const zone = zoneMinutes(parts[8] ?? '')
  if (!isDay || (hour > 23 && !isMidnight) || minute > 59 || second > 59 || zone === undefined) return undefined
  return at.setUTCHours(hour, minute - zone, second, ms)
}

/** A time from a caller, as milliseconds since 1970; UTC without a zone. */
export const momentSchema = z
  .string()
  .max(40)
  .transform((text, context): number => {
    const at = readMoment(text)
    if (at !== undefined) return at
    context.addIssue({ code: 'custom', message: 'Expected a moment such as 2026-11-25T08:30:00Z' })
    return z.NEVER
  })

/** Any JSON object, unchanged. */
export const jsonObjectSchema = z.record(z.string(), z.unknown())
