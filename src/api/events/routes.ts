import { events, type ServerEvent } from '../../http/events.ts'
import { implement, type Route } from '../../http/implement.ts'
import { makeBell } from '../../lib/bell.ts'
import { pause } from '../../lib/time.ts'
import type { Queries } from '../../store/database/database.ts'
import type { ApprovalOfRun } from '../../store/runs/approvals.ts'
import {
  changedRuns,
  changedSteps,
  isThere,
  openRunsOf,
  type RunChange,
  type RunRemoval,
  removedRuns,
} from '../../store/runs/changes.ts'
import { listRowsOf } from '../../store/runs/collection-runs.ts'
import { changedApprovals } from '../../store/runs/lists/approval-lists.ts'
import { listedApproval } from '../approvals/serialize.ts'
import { collectionRuns, type RowDeps } from '../collection-runs/rows.ts'
import { eventsContract } from './contract.ts'
import { lastEventId } from './last-event-id.ts'
import type { Pulse } from './pulse.ts'

interface NewsDeps extends RowDeps {
  database: Queries
}

/** A change of a run, or of an approval of the run. */
type FollowedChange = RunChange & { approval?: ApprovalOfRun }

/** An event of a collection's stream. */
interface RunNews {
  changed: number
  event: 'run' | 'approval' | 'removed'
  /** JSON text. */
  data: string
}

/** Rows read in one query: labels may make each of them large. */
const rowsAtOnce = 50

/**
 * Generates an event for each changed run, with the run's current row, in the order of the changes. Deleted runs are
 * left out: their removal is an event of its own.
 */
async function* runNews(deps: NewsDeps, changes: readonly FollowedChange[]): AsyncGenerator<RunNews> {
  for (let at = 0; at < changes.length; at += rowsAtOnce) {
    const some = changes.slice(at, at + rowsAtOnce)
    const rows = await listRowsOf(deps.database, [...new Set(some.map(({ id }) => id))])
    const shown = await collectionRuns(deps, rows)
    const byKey = new Map(rows.map(({ id }, index) => [id, shown[index]]))
    for (const { id, changed, step, approval } of some) {
      const row = byKey.get(id)
      if (approval) {
        yield { changed, event: 'approval', data: JSON.stringify(listedApproval(approval, deps.links.publicUrl)) }
      }
      if (row) yield { changed, event: 'run', data: JSON.stringify({ ...row, step }) }
    }
  }
}

/** Changes of runs, of steps and of approvals between two numbers, in order. */
const allChanges = async (
  { database }: NewsDeps,
  changes: readonly RunChange[],
  between: { collectionId: number; after: number; until: number },
): Promise<FollowedChange[]> => {
  const approvals = await changedApprovals(database, between)
  const ofApprovals = approvals.map((approval) => ({
    id: approval.run_id,
    ended: approval.ended,
    changed: approval.changed,
    step: approval.step,
    approval,
  }))
  return [...changes, ...ofApprovals].sort((left, right) => left.changed - right.changed)
}

/** Converts a removal to an event. */
const removalNews = ({ changed, runs }: RunRemoval): RunNews => ({
  changed,
  event: 'removed',
  data: `{"runs":${runs}}`,
})

/** Merges two ordered lists of events while they are read. */
async function* merged(news: AsyncIterable<RunNews>, removals: readonly RunNews[]): AsyncGenerator<RunNews> {
  let next = 0
  for await (const one of news) {
    for (let removal = removals[next]; removal && removal.changed < one.changed; removal = removals[next]) {
      yield removal
      next++
    }
    yield one
  }
  yield* removals.slice(next)
}

/** Changes of one collection, read once for all streams of this process. */
interface Feed {
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
const runsAtOnce = 500

interface FeedDeps extends NewsDeps {
  pulse: Pulse
}

/** Makes one feed for each collection with streams. */
const makeCollectionFeeds = (deps: FeedDeps) => {
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

/**
 * Streams the runs of a collection as server-sent events. An event has the run's row of the list and its newest started
 * step; transitions between two events are merged. Removed runs are events too. Ids are rising change numbers, and only
 * settled numbers are sent, so no smaller one can follow. Without `after` the stream begins with an `open` event. It
 * ends with `end` when the collection is deleted.
 */
async function* watchCollection(
  deps: NewsDeps,
  join: () => Feed,
  after: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const bell = makeBell(signal)
  const feed = join()
  const stop = feed.listen(bell.ring)
  try {
    let seen = after
    while (!signal.aborted) {
      bell.hush()
      const { settled } = feed
      if (settled !== undefined) {
        if (seen === undefined) {
          seen = settled
          yield { id: seen, event: 'open', data: '{}' }
        }
        const recent = feed.recent(seen)
        const until = feed.settled ?? settled
        if (recent) yield* recent.map(asEvent)
        else for await (const one of pastChanges(deps, feed, seen, until)) yield asEvent(one)
        seen = Math.max(seen, until)
        if (feed.isOver) return yield { event: 'end', data: '{}' }
      }
      await bell.heard()
    }
  } finally {
    stop()
  }
}

/** Catches a stream up: changed runs page by page, with the changed steps of open ones and removals among them. */
async function* pastChanges(
  deps: NewsDeps,
  { collectionId, open }: Feed,
  after: number,
  until: number,
): AsyncGenerator<RunNews> {
  const { database } = deps
  const steps = await changedSteps(database, { runKeys: [...open], after, until })
  for (let from = after; ; ) {
    const runs = await changedRuns(database, { collectionId, after: from, until, limit: runsAtOnce })
    const isLast = runs.length < runsAtOnce
    const to = isLast ? until : (runs.at(-1)?.changed ?? until)
    const due = steps.filter((step) => step.changed > from && step.changed <= to)
    const between = { collectionId, after: from, until: to }
    const changes = await allChanges(deps, [...runs, ...due], between)
    const removals = await removedRuns(database, between)
    yield* merged(runNews(deps, changes), removals.map(removalNews))
    if (isLast) return
    from = to
  }
}

/** The event of an approval has no id: the event of its run, which follows, has the number of the change. */
const asEvent = ({ changed, event, data }: RunNews): ServerEvent =>
  event === 'approval' ? { event, data } : { id: changed, event, data }

type EventsDeps = FeedDeps

export const eventsRoutes = (deps: EventsDeps): Route[] => {
  const feeds = makeCollectionFeeds(deps)
  return implement(eventsContract, {
    watchCollection: async (call) => {
      const after = await lastEventId(deps.database, call.headers['last-event-id']?.toString())
      return events(call, (signal) => watchCollection(deps, () => feeds.join(call.collection.id), after, signal))
    },
  })
}
