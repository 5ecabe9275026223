import { expect, it } from 'vitest'
import { AppError } from '../../lib/errors.ts'
import { isGone, isWorthRepeating, pauseAfter, untilAnswered } from './retry-pause.ts'

it.each<[string, unknown, passing: boolean, gone: boolean]>([
  ['no connection', new TypeError('fetch failed'), true, false],
  ['a timeout', new DOMException('The operation timed out', 'TimeoutError'), true, false],
  ['a client that knows of no answer', new AppError('network_failed', 'No answer'), true, false],
  ['503', new AppError('busy', 'Busy'), true, false],
  ['500', new AppError('internal', 'Internal Server Error'), true, false],
  ['429', new AppError('rate_limited', 'Too many'), true, false],
  ['404', new AppError('not_found', 'No worker'), false, true],
  ['409', new AppError('conflict', 'Another worker has it'), false, true],
  ['401', new AppError('unauthenticated', 'No key'), false, false],
  ['422', new AppError('invalid', 'No outputs'), false, false],
])('%s', (_name, error, passing, gone) => {
  expect([isWorthRepeating(error), isGone(error)]).toEqual([passing, gone])
})

it('waits longer each time, up to 30 s, and at least as long as the server asks', () => {
  for (const failures of [0, 1, 5, 50]) {
    const doubled = Math.min(250 * 2 ** failures, 30_000)
    const pause = pauseAfter(failures, undefined)
    expect(pause).toBeGreaterThanOrEqual(doubled / 2)
    expect(pause).toBeLessThanOrEqual(doubled)
  }
  const busy = new AppError('busy', 'Busy', { retryAfterSeconds: 7 })
  expect(pauseAfter(0, busy)).toBe(7_000)
})

it('repeats a call until it is answered, and gives up when it is stopped', async () => {
  const stopped = new AbortController()
  let calls = 0
  const call = async () => {
    calls += 1
    if (calls < 3) throw new TypeError('fetch failed')
    return 'answer'
  }
  expect(await untilAnswered(call, stopped.signal)).toBe('answer')
  const never = untilAnswered(
    () => Promise.reject(new TypeError('fetch failed')),
    stopped.signal,
    () => stopped.abort(),
  )
  await expect(never).rejects.toThrow('fetch failed')
})
