import type { ServerEvent } from '../../http/events.ts'
import { makeBell } from '../../lib/bell.ts'
import { changedRuns, changedSteps, removedRuns } from '../../store/runs/changes.ts'
import { type Feed, runsAtOnce } from './feeds.ts'
import { allChanges, merged, type NewsDeps, type RunNews, removalNews, runNews } from './run-news.ts'

/**
 * Streams the runs of a collection as server-sent events. An event has the run's row of the list and its newest started
 * step; transitions between two events are merged. Removed runs are events too. Ids are rising change numbers, and only
 * settled numbers are sent, so no smaller one can follow. Without `after` the stream begins with an `open` event. It
 * ends with `end` when the collection is deleted.
 */
export async function* watchCollection(
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
