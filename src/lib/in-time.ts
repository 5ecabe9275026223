import { AppError, isDatabaseUnavailable } from './errors.ts'

const pieceMs = 250

/**
 * Calls back after this process was awake for that many milliseconds. Returns a function that cancels it. After a
 * suspension, Node runs timers before pending input. So this waits in pieces, of which a suspension uses up only one,
 * and lets pending input in before it calls back.
 */
export const afterAwake = (milliseconds: number, done: () => void): (() => void) => {
  let left = milliseconds
  let last: NodeJS.Immediate | undefined
  const wait = () => setTimeout(look, Math.min(pieceMs, left))
  const look = () => {
    left -= pieceMs
    if (left > 0) timer = wait()
    else last = setImmediate(done)
  }
  let timer = wait()
  return () => {
    clearTimeout(timer)
    clearImmediate(last)
  }
}

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
