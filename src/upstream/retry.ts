import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../lib/errors.ts'

const firstBackoffMs = 500
/** Whoever asks for more than this is told to the caller instead of being waited for. */
const longestWaitMs = 60_000

const backoffMs = (tries: number): number => firstBackoffMs * 4 ** (tries - 1) * (0.8 + Math.random() * 0.4)

/** The failure as it is after the last try: said how often it was tried, and not worth another. */
const final = (error: AppError, tries: number): AppError =>
  new AppError(error.code, tries > 1 ? `${error.message} (tried ${tries} times)` : error.message, {
    retryable: false,
    cause: error.cause,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
    ...(error.extra === undefined ? {} : { extra: error.extra }),
  })

/**
 * Sends a call again while its failure is of the kind that passes: after half a second, two and eight, or when the
 * provider says. Throws the last failure, or `cancelled` where the caller leaves between two tries. This is the one place
 * where a call to a model is repeated, and its failures are never `retryable`: a step may make many calls, and tried again
 * as a whole it would pay for all of them.
 */
export const withRetries = async <T>(
  call: () => Promise<T>,
  { tries: mostTries }: { readonly tries: number },
  caller: { readonly signal: AbortSignal },
): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      const waitMs = error.retryAfterSeconds === undefined ? backoffMs(tries) : error.retryAfterSeconds * 1000
      if (!error.retryable || tries >= mostTries || waitMs > longestWaitMs || caller.signal.aborted)
        throw final(error, tries)
      await delay(waitMs, undefined, { signal: caller.signal }).catch((cause) => {
        throw new AppError('cancelled', 'The call was interrupted before it was tried again', { cause })
      })
    }
  }
}
