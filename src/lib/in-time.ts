import { afterAwake } from './after-awake.ts'
import { AppError, isDatabaseUnavailable } from './errors.ts'

/** How long a call to a model waits for the database before it continues without it. */
const patienceMs = 2_000

/** Resolves with what the database answers; with undefined when it is away or does not answer in time. */
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

/** Waits for what a call cannot go on without. A value is returned at once. Throws `database_unavailable` when it is late. */
export const neededInTime = <T>(asked: T | Promise<T>, mostMs?: number): T | Promise<T> =>
  asked instanceof Promise ? answered(asked, mostMs) : asked
