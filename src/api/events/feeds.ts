import type { Queries } from '../../database/database.ts'
import { changedRuns, changedSteps, isThere, openRunsOf, type RunChange } from '../../store/runs/changes.ts'
import type { Pulse } from './pulse.ts'

/** Changes of one collection, read once for all streams of this process. */
export interface Feed {
  collectionId: number
  /** Number up to which changes are known; undefined until the first read. */
  readonly settled: number | undefined
  /** The collection was deleted: no further changes. */
  readonly isOver: boolean
  /** Open runs whose steps are watched. */
  readonly open: ReadonlySet<string>
  /** Recent changes after a number, in order; undefined when they are no longer held. */
  recent(after: number): RunChange[] | undefined
  /** Calls back after every read that found something, and after the first one. */
  listen(onLook: () => void): () => void
}

/** Maximum open runs of a collection whose steps are reported, newest first. */
const mostOpen = 500
/** Changes held for streams that lag a little. */
const mostRecent = 2_000
/** Runs read in one query. */
export const runsAtOnce = 500

/** Makes one feed for each collection with streams. */
export const makeCollectionFeeds = (deps: { database: Queries; pulse: Pulse }) => {
  const feeds = new Map<number, Feed>()
  return {
    join(collectionId: number): Feed {
      const feed = feeds.get(collectionId) ?? makeFeed(deps, collectionId, () => feeds.delete(collectionId))
      feeds.set(collectionId, feed)
      return feed
    },
  }
}

const makeFeed = (
  { database, pulse }: { database: Queries; pulse: Pulse },
  collectionId: number,
  onEmpty: () => void,
): Feed => {
  const listeners = new Set<() => void>()
  const open = new Set<string>()
  let recent: RunChange[] = []
  let recentFrom = 0
  let settled: number | undefined
  let isOver = false
  let unfollow = () => {}

  const note = (runs: RunChange[]) => {
    for (const run of runs) run.ended ? open.delete(run.id) : open.add(run.id)
    for (const oldest of open) {
      if (open.size <= mostOpen) break
      open.delete(oldest)
    }
  }

  const keep = (changes: RunChange[]) => {
    recent.push(...changes)
    if (recent.length <= mostRecent) return
    recentFrom = recent[recent.length - mostRecent - 1]?.changed ?? recentFrom
    recent = recent.slice(-mostRecent)
  }

  /** Publishes all findings at once: a stream that reads in between must not get them twice. */
  const look = async (until: number) => {
    const isGone = !(await isThere(database, collectionId))
    if (settled === undefined) {
      for (const id of await openRunsOf(database, collectionId, mostOpen)) open.add(id)
      recentFrom = until
    } else {
      const runs: RunChange[] = []
      for (let after = settled; ; after = runs.at(-1)?.changed ?? after) {
        const page = await changedRuns(database, { collectionId, after, until, limit: runsAtOnce })
        runs.push(...page)
        if (page.length < runsAtOnce) break
      }
      note(runs)
      const steps = open.size > 0 ? await changedSteps(database, { runKeys: [...open], after: settled, until }) : []
      keep([...runs, ...steps].sort((left, right) => left.changed - right.changed))
    }
    settled = until
    isOver = isGone
    for (const tell of listeners) tell()
  }

  return {
    collectionId,
    open,
    get settled() {
      return settled
    },
    get isOver() {
      return isOver
    },
    recent: (after) => (after < recentFrom ? undefined : recent.filter((change) => change.changed > after)),
    listen(onLook) {
      if (listeners.size === 0) unfollow = pulse.follow(look)
      listeners.add(onLook)
      return () => {
        listeners.delete(onLook)
        if (listeners.size > 0) return
        unfollow()
        onEmpty()
      }
    },
  }
}
