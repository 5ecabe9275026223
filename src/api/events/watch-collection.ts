import type { Queries } from '../../database/database.ts'
import type { ServerEvent } from '../../http/events.ts'
import { makeBell } from '../../lib/bell.ts'
import { changedRuns, changedSteps, type RunChange } from '../../store/runs/changes.ts'
import { waitingOf } from '../trajectories/waiting.ts'
import { type Feed, runsAtOnce } from './feeds.ts'

/**
 * Streams every run of a collection as server-sent events: its status and newest started step, whenever one of them
 * changed, with intermediate transitions merged. Ids are rising change numbers; only settled ones are sent, so that
 * nothing smaller can follow. Without `after` an `open` event marks the start; `end` comes when the collection is
 * deleted.
 */
export async function* watchCollection(
  { database }: { database: Queries },
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
        else yield* pastChanges(database, feed, seen, until)
        seen = Math.max(seen, until)
        if (feed.isOver) return yield { event: 'end', data: '{}' }
      }
      await bell.heard()
    }
  } finally {
    stop()
  }
}

/** Catches a stream up: changed runs page by page, with the changed steps of open ones among them. */
async function* pastChanges(
  database: Queries,
  { collectionId, open }: Feed,
  after: number,
  until: number,
): AsyncGenerator<ServerEvent> {
  const steps = await changedSteps(database, { runKeys: [...open], after, until })
  for (let from = after; ; ) {
    const runs = await changedRuns(database, { collectionId, after: from, until, limit: runsAtOnce })
    const isLast = runs.length < runsAtOnce
    const to = isLast ? until : (runs.at(-1)?.changed ?? until)
    const due = steps.filter((step) => step.changed > from && step.changed <= to)
    yield* [...runs, ...due].sort((left, right) => left.changed - right.changed).map(asEvent)
    if (isLast) return
    from = to
  }
}

const asEvent = (run: RunChange): ServerEvent => {
  const { trajectory_id, name, status, step, changed } = run
  const task = name.slice(name.indexOf('/') + 1)
  return {
    id: changed,
    event: 'run',
    data: JSON.stringify({ trajectory_id, task, status, waiting: waitingOf(run), step }),
  }
}
