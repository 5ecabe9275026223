import { backoffMs } from '../../lib/backoff.ts'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'

/** 125 to 250 ms at first, 15 to 30 s in the end. */
const clientBackoff = { firstMs: 187.5, longestMs: 22_500, jitter: 1 / 3 }

/** Whether the same call may succeed later: no answer came, or the server was busy, stopping or restarting. */
export const isWorthRepeating = (error: unknown): boolean =>
  !(error instanceof AppError) || error.code === 'network_failed' || error.retryable || error.status >= 500

/** Whether the server no longer knows the worker or the job, or has given the job to another worker. */
export const isGone = (error: unknown): boolean =>
  error instanceof AppError && (error.code === 'not_found' || error.status === 409)

/**
 * Milliseconds before the next try: as long as the server asks, or doubled each time up to 30 s. Jitter keeps the workers of
 * a restarted server apart.
 */
export const pauseAfter = (failures: number, error: unknown): number => {
  const asked = error instanceof AppError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
  return Math.max(asked, backoffMs(failures + 1, clientBackoff))
}

/** Repeats a call until the server has answered it. Throws what is no passing failure, and everything once `stopped` fires. */
export const untilAnswered = async <T>(
  call: () => Promise<T>,
  stopped: AbortSignal,
  onBreak: (error: unknown) => void = () => {},
): Promise<T> => {
  for (let failures = 0; ; failures++) {
    try {
      return await call()
    } catch (error) {
      if (!isWorthRepeating(error) || stopped.aborted) throw error
      if (failures === 0) onBreak(error)
      await pause(pauseAfter(failures, error), stopped)
      if (stopped.aborted) throw error
    }
  }
}
/** A call that broke without one byte of an answer, long after the first was due. */
class HeldBack extends Error {}

/** Whether a call broke without one byte of an answer, long after the first was due. A client wraps what its `fetch` throws. */
export const wasHeldBack = (error: unknown): boolean =>
  error instanceof HeldBack || (error instanceof Error && error.cause !== undefined && wasHeldBack(error.cause))

/**
 * Makes a `fetch` that gives up when no byte has come for `silentMs`, however long the whole answer takes. The first byte is
 * due in half of this time.
 */
export const fetchUnlessSilent =
  (send: typeof fetch, silentMs: number): typeof fetch =>
  async (target, init) => {
    const begun = performance.now()
    const silent = new AbortController()
    const giveUp = () => silent.abort(new Error(`no byte came for ${Math.round(silentMs / 1000)} s`))
    const timer = setTimeout(giveUp, silentMs)
    const stop = () => clearTimeout(timer)
    const signal = init?.signal ? AbortSignal.any([init.signal, silent.signal]) : silent.signal
    const response = await send(target, { ...init, signal }).catch((error: Error) => {
      stop()
      throw performance.now() - begun < silentMs / 2 ? error : new HeldBack(error.message, { cause: error })
    })
    if (!response.body) {
      stop()
      return response
    }
    timer.refresh().unref() // a caller may stop reading: the timer must not keep its process alive
    const body = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, control) {
          timer.refresh()
          control.enqueue(chunk)
        },
        flush: stop,
      }),
    )
    return new Response(body, response)
  }
