import { AppError, isDatabaseUnavailable } from '../lib/errors.ts'
import { afterAwake } from '../lib/time.ts'

/** Longer than this nobody waits for the database in the course of a call: it goes on without. */
const patienceMs = 2_000

/** What the database answers; undefined where it is away, or does not answer in time. */
export const inTime = async <T>(asked: Promise<T>, mostMs = patienceMs): Promise<T | undefined> => {
  let takeBack = () => {}
  const late = new Promise<undefined>((resolve) => {
    takeBack = afterAwake(mostMs, () => resolve(undefined))
  })
  try {
    return await Promise.race([asked, late])
  } catch (error) {
    if (isDatabaseUnavailable(error)) return undefined
    throw error
  } finally {
    takeBack()
    asked.catch(() => {})
  }
}

/** The same for what a call cannot go on without; what is known already is given at once. Throws `database_unavailable`. */
export const neededInTime = <T>(asked: T | Promise<T>, mostMs?: number): T | Promise<T> =>
  asked instanceof Promise ? answered(asked, mostMs) : asked

const answered = async <T>(asked: Promise<T>, mostMs: number | undefined): Promise<T> => {
  const answer = await inTime(
    asked.then((value) => ({ value })),
    mostMs,
  )
  if (answer) return answer.value
  throw new AppError('database_unavailable', 'The database does not answer right now', {
    hint: 'Try again in a moment.',
    retryAfterSeconds: 1,
  })
}
