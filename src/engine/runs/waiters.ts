import { pause } from '../../lib/time.ts'
import type { Queries } from '../../store/database/database.ts'

/** Waits for the ends of runs. Local ends are reported at once; others are polled, all in one query. */
interface Waiters {
  /** True when the run ended, false when the signal fired first. */
  wait(runKey: string, signal: AbortSignal): Promise<boolean>
  ended(runKey: string): void
}

const shortestPauseMs = 20
const longestPauseMs = 250

export const makeWaiters = (database: Queries, isLocal: (runKey: string) => boolean): Waiters => {
  const waiting = new Map<string, Set<() => void>>()
  let asking = false

  const ended = (runKey: string) => {
    const waiters = waiting.get(runKey)
    if (!waiters) return
    waiting.delete(runKey)
    for (const tell of waiters) tell()
  }

  /** Polls adaptively: often while ends are found, rarely while nothing happens. */
  const ask = async (): Promise<void> => {
    if (asking) return
    asking = true
    let wait = 0
    while (waiting.size > 0) {
      await pause(wait)
      const elsewhere = [...waiting.keys()].filter((key) => !isLocal(key))
      const rows =
        elsewhere.length === 0
          ? []
          : await database
              .rows<{ id: string }>(
                'ended_runs',
                'select id from runs where id = any($1::text[]) and ended_at is not null',
                [elsewhere],
              )
              .catch(() => [])
      for (const row of rows) ended(row.id)
      wait = rows.length > 0 ? shortestPauseMs : Math.min(longestPauseMs, Math.max(shortestPauseMs, wait * 1.3))
    }
    asking = false
  }

  return {
    ended,
    wait(runKey, signal) {
      return new Promise((resolve) => {
        if (signal.aborted) return resolve(false)
        const tell = () => {
          signal.removeEventListener('abort', stop)
          resolve(true)
        }
        const stop = () => {
          const waiters = waiting.get(runKey)
          waiters?.delete(tell)
          if (waiters?.size === 0) waiting.delete(runKey)
          resolve(false)
        }
        signal.addEventListener('abort', stop, { once: true })
        const waiters = waiting.get(runKey)
        if (waiters) waiters.add(tell)
        else waiting.set(runKey, new Set([tell]))
        void ask()
      })
    },
  }
}
