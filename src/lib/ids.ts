import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { now } from './time.ts'

/**
 * Internal key of a run: unique for ever, never shown. A UUID of version 7 (RFC 9562 §5.7): it begins with the time, so
 * that the rows of runs and steps that are written together stand together in their indexes.
 */
export const newRunKey = (): string => `${runKeysSince(now())}-7${randomUUID().slice(15)}`

/** How run keys of a moment begin; in milliseconds since 1970. Those of later moments sort behind it. */
export const runKeysSince = (ms: number): string => {
  const time = ms.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}`
}

/** Random bytes are drawn for many ids at a time: asking the system for four takes as long as for a thousand. */
const pool = { bytes: Buffer.alloc(0), used: 0 }

/** What clients see: 8 lowercase hex digits. They collide early, so whoever stores one must be ready to draw again. */
export const newTrajectoryId = (): string => {
  if (pool.used === pool.bytes.length) Object.assign(pool, { bytes: randomBytes(1024), used: 0 })
  pool.used += 4
  return pool.bytes.toString('hex', pool.used - 4, pool.used)
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** An API key: `mlc_` and 32 characters of [a-z0-9], 165 bits. */
export const newApiKey = (): string =>
  `mlc_${Array.from({ length: 32 }, () => alphabet[randomInt(alphabet.length)]).join('')}`

/** A token in the only form that may be shown: `mlc_...xxxx`. */
export const redactToken = (token: string): string => `${token.startsWith('mlc_') ? 'mlc_' : ''}...${token.slice(-4)}`
