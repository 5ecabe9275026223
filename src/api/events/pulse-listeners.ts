import type { Queries } from '../../store/database/database.ts'
import { newestChanges } from '../../store/runs/changes.ts'

/** The streams of single runs, by the key of their run. */
interface RunListeners {
  readonly size: number
  /** Adds a stream. Returns the function that removes it. */
  add(runKey: string, onNews: (newest?: number) => void): () => void
  tell(runKey: string): void
  /** Reads the newest change of every watched run, and tells its streams. */
  tellAll(database: Queries): Promise<void>
}

export const makeRunListeners = (): RunListeners => {
  const watchers = new Map<string, Set<(newest?: number) => void>>()
  return {
    get size() {
      return watchers.size
    },
    add(runKey, onNews) {
      const tell = watchers.get(runKey) ?? new Set()
      watchers.set(runKey, tell.add(onNews))
      return () => {
        tell.delete(onNews)
        if (tell.size === 0 && watchers.get(runKey) === tell) watchers.delete(runKey)
      }
    },
    tell(runKey) {
      for (const tell of watchers.get(runKey) ?? []) tell()
    },
    async tellAll(database) {
      if (watchers.size === 0) return
      const rows = await newestChanges(database, [...watchers.keys()])
      const newest = new Map(rows.map((row) => [row.id, row.newest]))
      // A deleted run is news for its watchers too.
      for (const [runKey, tell] of watchers) for (const one of tell) one(newest.get(runKey) ?? Number.MAX_VALUE)
    },
  }
}

/** The streams of collections, which follow all changes up to the settled number. */
interface Followers {
  readonly size: number
  /** Adds a stream. Returns the function that removes it. */
  add(onSettled: (settled: number) => Promise<void>): () => void
  /** Calls the streams that have not seen the number and are idle. Does not wait for them: they may have much to read. */
  tell(settled: number): void
}

export const makeFollowers = (): Followers => {
  const followers = new Map<(settled: number) => Promise<void>, { heard: number; busy: boolean }>()
  return {
    get size() {
      return followers.size
    },
    add(onSettled) {
      followers.set(onSettled, { heard: -1, busy: false })
      return () => {
        followers.delete(onSettled)
      }
    },
    tell(settled) {
      for (const [follow, state] of followers) {
        if (state.busy || state.heard >= settled) continue
        state.busy = true
        void follow(settled)
          .then(
            () => {
              state.heard = settled
            },
            () => {}, // retried with the next beat
          )
          .finally(() => {
            state.busy = false
          })
      }
    },
  }
}
