import type { Engine } from '../../engine/engine.ts'
import { pause } from '../../lib/time.ts'
import type { Queries } from '../../store/database/database.ts'
import { type DrawnNumbers, drawnSoFar, lastDrawn } from '../../store/runs/changes.ts'
import { makeFollowers, makeRunListeners } from './pulse-listeners.ts'

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
const mostPending = 64

/** Tracks up to which number nothing new can appear: numbers of concurrent transactions become visible in any order. */
const makeSettling = () => {
  const pending: DrawnNumbers[] = []
  let settled: number | undefined
  return {
    get settled() {
      return settled
    },
    add(seen: DrawnNumbers) {
      if (pending.length >= mostPending) pending.pop() // settled together with the newer one
      pending.push(seen)
      while (pending[0] && seen.from >= pending[0].before) settled = pending.shift()?.drawn
    },
  }
}

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
