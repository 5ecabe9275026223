import type { Queries } from '../database/database.ts'

/** Row of an event that an agent emitted in a step. */
export interface StepEventRow {
  seq: number
  /** Name of the step. */
  step: string
  n: number
  at: Date
  /** JSON text. */
  event: string
  changed: number
}

const columns = 'e.seq, s.name as step, e.n, e.at, e.event, e.changed'
const withStep = 'join steps s on s.run_id = e.run_id and s.seq = e.seq'

/** Maximum bytes read at once. */
const mostBytes = 4 * 1024 * 1024
const eventsAtOnce = 200

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
    const page = await queries.rows<StepEventRow>(
      'step_events_after',
      `select ${columns} from step_events e ${withStep}
       where e.run_id = $1 and e.changed > $2 and e.changed <= $3 order by e.changed limit $4`,
      [at.runKey, after, at.until, wanted],
    )
    events.push(...page)
    if (page.length < wanted) return { events, complete: true }
    for (const { event } of page) bytes += event.length
    if (bytes >= mostBytes || events.length >= at.limit) return { events, complete: false }
  }
}

/** Reads the newest events of one step up to the change `until`, oldest first. */
export const newestStepEvents = async (
  queries: Queries,
  at: { runKey: string; seq: number; until: number; limit: number },
): Promise<StepEventRow[]> => {
  const rows = await queries.rows<StepEventRow>(
    'newest_step_events',
    `select ${columns} from step_events e ${withStep}
     where e.run_id = $1 and e.seq = $2 and e.changed <= $3 order by e.n desc limit $4`,
    [at.runKey, at.seq, at.until, at.limit],
  )
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

/** Reads events of one step in the order of their numbers. */
export const stepEventsBetween = (
  queries: Queries,
  { runKey, seq, from, to, pattern, like, order, limit }: EventRange,
): Promise<Pick<StepEventRow, 'n' | 'at' | 'event'>[]> =>
  queries.rows(
    `step_events_between_${order}`,
    `select n, at, event from step_events
     where run_id = $1 and seq = $2 and n >= $3 and n <= $4
       and ($5::text is null or event ~ $5) and ($6::text is null or event ilike $6)
     order by n ${order} limit $7`,
    [runKey, seq, from, to, pattern, like, limit],
  )

/** Reads the number of the newest event of a step; -1 for none. */
export const lastStepEvent = async (queries: Queries, runKey: string, seq: number): Promise<number> => {
  const [row] = await queries.rows<{ n: number }>(
    'last_step_event',
    'select coalesce(max(n), -1) as n from step_events where run_id = $1 and seq = $2',
    [runKey, seq],
  )
  return row?.n ?? -1
}

const removedAtOnce = 20_000

/**
 * Deletes the agent events of ended runs in batches: a few hundred runs may have millions of events, more than one
 * statement has time for.
 */
export const removeStepEvents = async (queries: Queries, runKeys: readonly string[]): Promise<void> => {
  for (;;) {
    const gone = await queries.rows(
      'remove_step_events',
      `delete from step_events where ctid = any(array(
         select ctid from step_events where run_id = any($1) limit $2)) returning 1`,
      [runKeys, removedAtOnce],
    )
    if (gone.length < removedAtOnce) return
  }
}
