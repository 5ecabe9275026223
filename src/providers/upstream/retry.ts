import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../../lib/backoff.ts'
import { AppError } from '../../lib/errors.ts'

const retryBackoff = { firstMs: 500, factor: 4, jitter: 0.2 }
/** If a provider asks for a longer wait, the call fails at once. */
const longestWaitMs = 60_000

/**
 * The failure of the last attempt: it states the attempts, and is no longer retryable. Clients must not repeat what was
 * repeated here, nor what asks for a longer wait than theirs.
 */
const final = (error: AppError, tries: number, waitMs: number): AppError =>
  new AppError(error.code, tries > 1 ? `${error.message} (tried ${tries} times)` : error.message, {
    retryable: false,
    isFinal: tries > 1 || (error.retryable && waitMs > longestWaitMs),
    cause: error.cause,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
    ...(error.extra === undefined ? {} : { extra: error.extra }),
  })

/**
 * Retries a call after temporary failures: after 0.5, 2 and 8 s, or when the provider says. Throws the last failure, or
 * `cancelled` if the caller disconnects between attempts. Calls to models are retried only here. Their failures are
 * never `retryable`, because a step may make many calls and would pay for all of them again.
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
      const waitMs = backoffMs(tries, retryBackoff, error.retryAfterSeconds)
      if (!error.retryable || tries >= mostTries || waitMs > longestWaitMs || caller.signal.aborted)
        throw final(error, tries, waitMs)
      await delay(waitMs, undefined, { signal: caller.signal }).catch((cause) => {
        throw new AppError('cancelled', 'The call was interrupted before its retry', { cause })
      })
    }
  }
}
