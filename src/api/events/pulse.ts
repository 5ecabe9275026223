import type { Engine } from '../../engine/engine.ts'
import { pause } from '../../lib/time.ts'
import type { Queries } from '../../store/database/database.ts'
import { drawnSoFar, lastDrawn, makeSettling, newestChanges } from '../../store/runs/changes.ts'

/** The streams of single runs, by the key of their run. */
interface RunListeners {
  readonly size: number
  /** Adds a stream. Returns the function that removes it. */
  add(runKey: string, onNews: (newest?: number) => void): () => void
  tell(runKey: string): void
  /** Reads the newest change of every watched run, and tells its streams. */
  tellAll(database: Queries): Promise<void>
}

const makeRunListeners = (): RunListeners => {
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

const makeFollowers = (): Followers => {
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

/**
 * Notifies all streams of this process of changes. The process makes two small queries a second, whatever the number of
 * streams, and none without streams.
 */
export interface Pulse {
  /** Calls back when this process wrote something of a run, or with the newest change number when any process did. */
  watch(runKey: string, onNews: (newest?: number) => void): () => void
  /** Reports that this process wrote something of a run. */
  tell(runKey: string): void
  /**
   * Calls back with the number up to which all changes of the database are settled: at once, then whenever it rises.
   * Calls do not overlap.
   */
  follow(onSettled: (settled: number) => Promise<void>): () => void
}

const idleMs = 500
/** Interval while changes are being written and a stream follows them. */
const busyMs = 50
const momentMs = 1_000

export const makePulse = ({ database, engine }: { database: Queries; engine: Pick<Engine, 'watch'> }): Pulse => {
  const watchers = makeRunListeners()
  const followers = makeFollowers()
  let settling = makeSettling()
  let known = 0
  let runsBehind = false
  let runsSeenMs = 0
  let drawnMs = 0
  let beating = false
  let hurry = new AbortController()

  const beat = async (): Promise<void> => {
    const isQuiet = (settling.settled ?? -1) >= known && (await lastDrawn(database)) === known
    if (!isQuiet) {
      const drawn = await drawnSoFar(database)
      known = drawn.drawn
      settling.add(drawn)
      drawnMs = performance.now()
      runsBehind = true // runs not visible yet are found once everything is settled
    }
    if (runsBehind && performance.now() - runsSeenMs >= idleMs - busyMs) {
      runsSeenMs = performance.now()
      await watchers.tellAll(database)
      runsBehind = false
    }
    if (settling.settled !== undefined) followers.tell(settling.settled)
  }

  const beatWhileWatched = async () => {
    if (beating) return
    beating = true
    settling = makeSettling()
    while (watchers.size + followers.size > 0) {
      hurry = new AbortController()
      await beat().catch(() => {}) // Postgres is away: retried with the next beat
      const isBusy = followers.size > 0 && performance.now() - drawnMs < momentMs
      await pause(isBusy ? busyMs : idleMs, hurry.signal)
    }
    beating = false
  }

  return {
    watch(runKey, onNews) {
      const remove = watchers.add(runKey, onNews)
      const unwatch = engine.watch(runKey, onNews)
      void beatWhileWatched()
      return () => {
        unwatch()
        remove()
      }
    },
    tell: watchers.tell,
    follow(onSettled) {
      const remove = followers.add(onSettled)
      hurry.abort()
      void beatWhileWatched()
      return remove
    },
  }
}
