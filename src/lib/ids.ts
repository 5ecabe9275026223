import { randomBytes, randomInt, randomUUID } from 'node:crypto'

/**
 * Internal key of a run: unique for ever, never shown. A UUID of version 7 (RFC 9562 §5.7): it begins with the time, so
 * that the rows of runs and steps that are written together stand together in their indexes.
 */
export const newRunKey = (): string => {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

/** What clients see: 8 lowercase hex digits. They collide early, so whoever stores one must be ready to draw again. */
export const newTrajectoryId = (): string => randomBytes(4).toString('hex')

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** An API key: `mlc_` and 32 characters of [a-z0-9], 165 bits. */
export const newApiKey = (): string =>
  `mlc_${Array.from({ length: 32 }, () => alphabet[randomInt(alphabet.length)]).join('')}`

/** A token in the only form that may be shown: `mlc_...xxxx`. */
export const redactToken = (token: string): string => `${token.startsWith('mlc_') ? 'mlc_' : ''}...${token.slice(-4)}`
