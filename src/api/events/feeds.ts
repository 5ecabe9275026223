import { pause } from '../../lib/time.ts'
import {
  changedRuns,
  changedSteps,
  isThere,
  openRunsOf,
  type RunChange,
  removedRuns,
} from '../../store/runs/changes.ts'
import type { Pulse } from './pulse.ts'
import {
  allChanges,
  type FollowedChange,
  merged,
  type NewsDeps,
  type RunNews,
  removalNews,
  runNews,
} from './run-news.ts'

/** Changes of one collection, read once for all streams of this process. */
export interface Feed {
  collectionId: number
  /** Number up to which changes are known; undefined until the first read. */
  readonly settled: number | undefined
  /** The collection was deleted: no further changes. */
  readonly isOver: boolean
  /** Open runs whose steps are watched. */
  readonly open: ReadonlySet<string>
  /** Recent events after a number, in order; undefined when they are no longer held. */
  recent(after: number): RunNews[] | undefined
  /** Calls back after every read that found something, and after the first one. */
  listen(onLook: () => void): () => void
}

/** Maximum open runs of a collection whose steps are reported, newest first. */
const mostOpen = 500
/** Events held for streams that lag a little, and their characters. */
const mostRecent = 2_000
const mostRecentCharacters = 8 * 1024 * 1024
/** Pause after a query, as a multiple of the query's time, so that watching costs only a share of a core. */
const restFactor = 3
const longestRestMs = 1_000
/** Runs read in one query. */
export const runsAtOnce = 500

export interface FeedDeps extends NewsDeps {
  pulse: Pulse
}

/** Makes one feed for each collection with streams. */
export const makeCollectionFeeds = (deps: FeedDeps) => {
  const feeds = new Map<number, Feed>()
  return {
    join(collectionId: number): Feed {
      const feed = feeds.get(collectionId) ?? makeFeed(deps, collectionId, () => feeds.delete(collectionId))
      feeds.set(collectionId, feed)
      return feed
    },
  }
}

/** Keeps the newest events of a collection, so that a stream that begins again needs no query for them. */
const makeRecentNews = () => {
  let recent: RunNews[] = []
  /** All events with higher change numbers are here. */
  let from = 0
  return {
    beginAt(changed: number): void {
      from = changed
    },
    add(news: RunNews[]): void {
      recent.push(...news)
      let characters = 0
      const newest = recent.findLastIndex(({ data }) => {
        characters += data.length
        return characters > mostRecentCharacters
      })
      const first = Math.max(newest + 1, recent.length - mostRecent)
      if (first === 0) return
      from = recent[first - 1]?.changed ?? from
      recent = recent.slice(first)
    },
    /** The events after a change number; undefined if some of them are no longer here. */
    after: (changed: number): RunNews[] | undefined =>
      changed < from ? undefined : recent.filter((change) => change.changed > changed),
  }
}

const makeFeed = (deps: FeedDeps, collectionId: number, onEmpty: () => void): Feed => {
  const { database, pulse } = deps
  const listeners = new Set<() => void>()
  const open = new Set<string>()
  const recent = makeRecentNews()
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

  const changesUntil = async (from: number, until: number): Promise<FollowedChange[]> => {
    const runs: RunChange[] = []
    for (let after = from; ; after = runs.at(-1)?.changed ?? after) {
      const page = await changedRuns(database, { collectionId, after, until, limit: runsAtOnce })
      runs.push(...page)
      if (page.length < runsAtOnce) break
    }
    note(runs)
    const steps = open.size > 0 ? await changedSteps(database, { runKeys: [...open], after: from, until }) : []
    return allChanges(deps, [...runs, ...steps], { collectionId, after: from, until })
  }

  const look = async (until: number) => {
    const begun = performance.now()
    await readUntil(until)
    // At once for a feed that has little to do: a rest is shorter than the interval of the pulse then.
    await pause(Math.min(longestRestMs, restFactor * (performance.now() - begun)))
  }

  /** Publishes all findings at once: a stream that reads in between must not get them twice. */
  const readUntil = async (until: number) => {
    const isGone = !(await isThere(database, collectionId))
    if (settled === undefined) {
      for (const id of await openRunsOf(database, collectionId, mostOpen)) open.add(id)
      recent.beginAt(until)
    } else {
      const changes = await changesUntil(settled, until)
      const removals = await removedRuns(database, { collectionId, after: settled, until })
      const news: RunNews[] = []
      for await (const one of merged(runNews(deps, changes), removals.map(removalNews))) news.push(one)
      recent.add(news)
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
    recent: recent.after,
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
