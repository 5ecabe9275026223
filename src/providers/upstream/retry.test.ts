import { describe, expect, it } from 'vitest'
import { AppError } from '../../lib/errors.ts'
import { withRetries } from './retry.ts'

const passing = (retryAfterSeconds: number) =>
  new AppError('upstream_failed', 'busy', { retryable: true, retryAfterSeconds })
const three = { tries: 3 }
const quiet = new AbortController()

/** Fails with each of these, then answers. */
const failing = (...errors: unknown[]) => {
  let calls = 0
  return {
    call: async () => {
      const error = errors[calls++]
      if (error) throw error
      return 'answer'
    },
    calls: () => calls,
  }
}

describe('a call', () => {
  it('is sent as often as is allowed, and its failure is final', async () => {
    expect(await withRetries(failing(passing(0), passing(0)).call, three, quiet)).toBe('answer')
    for (const [tries, message] of [
      [1, 'busy'],
      [3, 'busy (tried 3 times)'],
    ] as const) {
      const busy = failing(passing(0), passing(0), passing(0))
      await expect(withRetries(busy.call, { tries }, quiet)).rejects.toMatchObject({ message, retryable: false })
      expect(busy.calls()).toBe(tries)
    }
  })

  it('is not sent again for what does not pass, or passes too late', async () => {
    for (const error of [new AppError('upstream_failed', 'no'), passing(61)]) {
      const one = failing(error)
      await expect(withRetries(one.call, three, quiet)).rejects.toMatchObject({
        message: error.message,
        retryable: false,
      })
      expect(one.calls()).toBe(1)
    }
  })

  it('is cancelled while it waits for its next try', async () => {
    const stop = new AbortController()
    const waiting = withRetries(failing(passing(30)).call, three, stop)
    setTimeout(() => stop.abort(), 20)
    await expect(waiting).rejects.toMatchObject({ name: 'AppError', code: 'cancelled' })
  })
})
