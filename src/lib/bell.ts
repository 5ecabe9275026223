import { longestTimerMs } from './time.ts'

/** Wakes the one who waits for news; rung while nobody waits, it is heard at the next wait. */
export interface Bell {
  ring(): void
  /** What has rung so far is known. */
  hush(): void
  /** Resolves when it rings or has rung, when the signal fires, and after so many milliseconds. */
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
