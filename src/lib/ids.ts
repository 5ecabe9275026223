import { randomBytes, randomInt } from 'node:crypto'
import { now } from './time.ts'

/**
 * Creates the internal key of a run: globally unique, never shown. It begins with the time, so that rows of runs and steps
 * written together are adjacent in their indexes, and ends with 60 random bits. A run of two steps stores its key eight
 * times, so it has 23 characters instead of the 36 of a UUID.
 */
export const newRunKey = (): string => `${runKeysSince(now())}${randomText('base64url', 8).slice(0, 10)}`

/** Prefix of run keys created at a time (milliseconds since 1970). Keys of later times sort after it. */
export const runKeysSince = (ms: number): string => {
  const time = ms.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}`
}

/** Random bytes are drawn for many ids at once: a system call for four bytes costs as much as for a thousand. */
const pool = { bytes: Buffer.alloc(0), used: 0 }

const randomText = (encoding: 'base64url' | 'hex', bytes: number): string => {
  if (pool.used + bytes > pool.bytes.length) Object.assign(pool, { bytes: randomBytes(1024), used: 0 })
  pool.used += bytes
  return pool.bytes.toString(encoding, pool.used - bytes, pool.used)
}

/**
 * Creates a public run id: 8 lowercase hex digits. Collisions are likely, so a caller that stores one must be ready to
 * draw again.
 */
export const newTrajectoryId = (): string => randomText('hex', 4)

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** Creates an API key: `mlc_` and 32 characters of [a-z0-9], 165 bits. */
export const newApiKey = (): string =>
  `mlc_${Array.from({ length: 32 }, () => alphabet[randomInt(alphabet.length)]).join('')}`

/** Shortens a token to the only form that may be shown: `mlc_...xxxx`. */
export const redactToken = (token: string): string => `${token.startsWith('mlc_') ? 'mlc_' : ''}...${token.slice(-4)}`
