import type { Queries } from '../database/database.ts'
import { bigint, int, moment, pick, query, queryValue, type Row, text } from '../database/table.ts'

/** An event that an agent emitted in a step. */
const stepEvent = {
  seq: int,
  /** Name of the step. */
  step: text,
  n: int,
  at: moment,
  /** JSON text. */
  event: text,
  changed: bigint,
}
export type StepEventRow = Row<typeof stepEvent>

const columns = 'e.seq, s.name as step, e.n, e.at, e.event, e.changed'
const withStep = 'join steps s on s.run_id = e.run_id and s.seq = e.seq'

/** Maximum bytes read at once. */
const mostBytes = 4 * 1024 * 1024
const eventsAtOnce = 200

const eventsAfter = query(
  'step_events_after',
  stepEvent,
  `select ${columns} from step_events e ${withStep}
       where e.run_id = $1 and e.changed > $2 and e.changed <= $3 order by e.changed limit $4`,
  (runKey: string, after: number, until: number, limit: number) => [runKey, after, until, limit],
)

/**
 * Reads events of a run after the change `after` and up to `until`, in order: at most `limit`, fewer when they are
 * large. `complete` says that no more exist.
 */
export const stepEventsAfter = async (
  queries: Queries,
  at: { runKey: string; after: number; until: number; limit: number },
): Promise<{ events: StepEventRow[]; complete: boolean }> => {
  const events: StepEventRow[] = []
  let bytes = 0
  for (let after = at.after; ; after = events.at(-1)?.changed ?? after) {
    const wanted = Math.min(eventsAtOnce, at.limit - events.length)
    const page = await eventsAfter(queries, at.runKey, after, at.until, wanted)
    events.push(...page)
    if (page.length < wanted) return { events, complete: true }
    for (const { event } of page) bytes += event.length
    if (bytes >= mostBytes || events.length >= at.limit) return { events, complete: false }
  }
}

const newestFirst = query(
  'newest_step_events',
  stepEvent,
  `select ${columns} from step_events e ${withStep}
     where e.run_id = $1 and e.seq = $2 and e.changed <= $3 order by e.n desc limit $4`,
  (at: { runKey: string; seq: number; until: number; limit: number }) => [at.runKey, at.seq, at.until, at.limit],
)

/** Reads the newest events of one step up to the change `until`, oldest first. */
export const newestStepEvents = async (
  queries: Queries,
  at: { runKey: string; seq: number; until: number; limit: number },
): Promise<StepEventRow[]> => {
  const rows = await newestFirst(queries, at)
  return rows.reverse()
}

/** Selects events of one step by their numbers and their content. */
interface EventRange {
  runKey: string
  seq: number
  /** First and last number. */
  from: number
  to: number
  /** Regular expression for the JSON text of an event; null for any. */
  pattern: string | null
  /** Pattern of `ilike` for it; null for any. */
  like: string | null
  order: 'asc' | 'desc'
  limit: number
}

const between = (order: 'asc' | 'desc') =>
  query(
    `step_events_between_${order}`,
    pick(stepEvent, ['n', 'at', 'event']),
    `select n, at, event from step_events
     where run_id = $1 and seq = $2 and n >= $3 and n <= $4
       and ($5::text is null or event ~ $5) and ($6::text is null or event ilike $6)
     order by n ${order} limit $7`,
    ({ runKey, seq, from, to, pattern, like, limit }: EventRange) => [runKey, seq, from, to, pattern, like, limit],
  )
const inOrder = { asc: between('asc'), desc: between('desc') }

/** Reads events of one step in the order of their numbers. */
export const stepEventsBetween = (queries: Queries, range: EventRange) => inOrder[range.order](queries, range)

/** Reads the number of the newest event of a step; -1 for none. */
export const lastStepEvent = queryValue(
  'last_step_event',
  { n: int },
  'select coalesce(max(n), -1) as n from step_events where run_id = $1 and seq = $2',
  (runKey: string, seq: number) => [runKey, seq],
)

const removedAtOnce = 20_000
const removeSome = query(
  'remove_step_events',
  {},
  `delete from step_events where ctid = any(array(
         select ctid from step_events where run_id = any($1) limit $2)) returning 1`,
  (runKeys: readonly string[]) => [runKeys, removedAtOnce],
)

/**
 * Deletes the agent events of ended runs in batches: a few hundred runs may have millions of events, more than one
 * statement has time for.
 */
export const removeStepEvents = async (queries: Queries, runKeys: readonly string[]): Promise<void> => {
  while ((await removeSome(queries, runKeys)).length === removedAtOnce) {}
}
