import type { Queries } from '../../database/database.ts'
import { changedRuns, changedSteps, isThere, openRunsOf, type RunChange } from '../../store/runs/changes.ts'
import type { Pulse } from './pulse.ts'

/** What happens in one collection, read once for all of its streams in this process. */
export interface Feed {
  collectionId: number
  /** Changes up to this number are known; undefined until the first look. */
  readonly settled: number | undefined
  /** The collection was deleted: nothing will come any more. */
  readonly isOver: boolean
  /** Runs whose steps are looked at. */
  readonly open: ReadonlySet<string>
  /** Recent changes after a number, in order; undefined where they reach back too far. */
  recent(after: number): RunChange[] | undefined
  /** Calls back at every look that found something, and at the first one. */
  listen(onLook: () => void): () => void
}

/** Of the open runs of a collection the steps of so many are told, the newest ones. */
const mostOpen = 500
/** Changes kept for streams that are a little behind. */
const mostRecent = 2_000
/** Runs read at once. */
export const runsAtOnce = 500

/** One feed a collection, for as long as it has streams. */
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

  /** What is found becomes known in one go: a stream that looks in between must not be told it twice. */
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
