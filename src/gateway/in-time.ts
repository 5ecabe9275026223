import { isDatabaseUnavailable } from '../lib/errors.ts'
import { pause } from '../lib/time.ts'

/** Longer than this nobody waits for the database at the end of a call: it is recorded without. */
const patienceMs = 2_000

/** What the database answers; undefined where it is away, or does not answer in time. */
export const inTime = async <T>(asked: Promise<T>): Promise<T | undefined> => {
  const late = new AbortController()
  try {
    return await Promise.race([asked, pause(patienceMs, late.signal).then(() => undefined)])
  } catch (error) {
    if (isDatabaseUnavailable(error)) return undefined
    throw error
  } finally {
    late.abort()
    asked.catch(() => {})
  }
}
