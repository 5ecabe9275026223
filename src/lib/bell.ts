import { longestTimerMs } from './time.ts'

/** A signal for one waiter. A ring while nobody waits is kept for the next wait. */
export interface Bell {
  ring(): void
  /** Forgets the rings so far. */
  hush(): void
  /** Resolves on a ring (also an earlier one), when the signal fires, or after `withinMs`. */
  heard(withinMs?: number): Promise<void>
}

export const makeBell = (signal?: AbortSignal): Bell => {
  let rung = false
  let wake = () => {}
  const ring = () => {
    rung = true
    wake()
  }
  signal?.addEventListener('abort', ring, { once: true })
  return {
    ring,
    hush() {
      rung = signal?.aborted ?? false
    },
    heard: (withinMs) =>
      rung
        ? Promise.resolve()
        : new Promise((resolve) => {
            const timer =
              withinMs === undefined ? undefined : setTimeout(resolve, Math.min(Math.max(1, withinMs), longestTimerMs))
            wake = () => {
              clearTimeout(timer)
              resolve()
            }
          }),
  }
}
