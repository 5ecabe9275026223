import { mostStepsSideBySide } from '../../model/workflows/workflow.ts'
import type { Queries } from '../database/database.ts'
import { bigint, bool, change, orNull, query, queryRow, queryValue, type Row, text } from '../database/table.ts'

/** Reads the last change number drawn by any transaction, committed or not. Nearly free. */
export const lastDrawn = queryValue('last_drawn', { drawn: bigint }, 'select last_value as drawn from changes')

/** Transactions with ids below `before` drew the numbers up to `drawn`; all transactions below `from` have ended. */
const drawnNumbers = { drawn: bigint, before: bigint, from: bigint }
type DrawnNumbers = Row<typeof drawnNumbers>

/**
 * Reads the numbers that decide when changes are settled: visible, or rolled back. A transaction that draws a number
 * has its transaction id by then, so an id taken after reading the last number is an upper bound for theirs. (The xmax
 * of a snapshot is no such bound: it stands at the oldest running transaction.) Uses up a transaction id, so call it
 * only when needed.
 */
export const drawnSoFar = queryRow(
  'drawn_so_far',
  drawnNumbers,
  `select last_value as drawn, pg_current_xact_id()::text::bigint as before,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint as "from" from changes`,
)

const mostPending = 64

/** Tracks up to which number nothing new can appear: numbers of concurrent transactions become visible in any order. */
export const makeSettling = () => {
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

/**
 * CTE for a statement that draws change numbers before anything assigns it a transaction id, such as an insert whose
 * default draws: selecting its rows from here assigns the id first.
 */
export const identified = 'identified as materialized (select pg_current_xact_id())'

/**
 * The newest change of a run's steps is on its last step, or on those that run in parallel with it: a short scan at the
 * end of the index, however long the run is.
 */
const newestSteps = (runId: string): string =>
  `(select name, changed from steps where run_id = ${runId} order by seq desc limit ${mostStepsSideBySide}) newest`
const newestStep = (runId: string, column: string): string =>
  `(select ${column} from ${newestSteps(runId)} order by changed desc limit 1)`

/** Reads the number of the newest change of each existing run. */
export const newestChanges = query(
  'newest_changes',
  { id: text, newest: bigint },
  `select id, greatest(changed, labels_changed, ${newestStep('runs.id', 'changed')},
       (select max(changed) from step_events where run_id = runs.id)) as newest
     from runs where id = any($1::text[])`,
  (runKeys: string[]) => [runKeys],
)

/** A change of a run of a watched collection. */
const runChange = {
  id: text,
  ended: bool,
  changed: bigint,
  /** Name of the newest started step. */
  step: orNull(text),
}
export type RunChange = Row<typeof runChange>

const changeOf = 'r.id, r.ended_at is not null as ended'

/** Lists runs of a collection changed after `after` and up to `until`, labels included, in order of change. */
export const changedRuns = query(
  'changed_runs',
  runChange,
  `select ${changeOf}, c.changed, ${newestStep('r.id', 'name')} as step
     from (
       (select id, changed from runs
        where collection_id = $1 and changed > $2 and changed <= $3 order by changed limit $4)
       union all
       (select id, labels_changed from runs
        where collection_id = $1 and labels_changed > 0 and labels_changed > $2 and labels_changed <= $3
        order by labels_changed limit $4)) c
     join runs r on r.id = c.id order by c.changed limit $4`,
  (at: { collectionId: number; after: number; until: number; limit: number }) => [
    at.collectionId,
    at.after,
    at.until,
    at.limit,
  ],
)

/** Runs that were removed together. */
const runRemoval = {
  changed: bigint,
  /** JSON text: a list of {trajectory_id, task}. */
  runs: text,
}
export type RunRemoval = Row<typeof runRemoval>

/** Lists removals of runs of a collection after one change number and up to another, in order. */
export const removedRuns = query(
  'removed_runs',
  runRemoval,
  `select changed, runs from removed_runs where collection_id = $1 and changed > $2 and changed <= $3 order by changed`,
  (at: { collectionId: number; after: number; until: number }) => [at.collectionId, at.after, at.until],
)

const openRuns = query(
  'open_runs_of',
  { id: text },
  // Open runs are few, so their partial index serves; each feed asks once.
  `select id from (select id, number from runs where ended_at is null and collection_id = $1
       order by number desc limit $2) newest order by number`,
  (collectionId: number, limit: number) => [collectionId, limit],
)

/** Lists the newest open runs of a collection, oldest of them first. */
export const openRunsOf = async (queries: Queries, collectionId: number, limit: number): Promise<string[]> => {
  const rows = await openRuns(queries, collectionId, limit)
  return rows.map((row) => row.id)
}

const newestChangesOf = query(
  'changed_steps',
  runChange,
  `select ${changeOf}, s.changed, s.name as step
     from runs r cross join lateral (
       select name, changed from ${newestSteps('r.id')} where changed <= $3 order by changed desc limit 1) s
     where r.id = any($1::text[]) and s.changed > $2 order by s.changed`,
  (at: { runKeys: string[]; after: number; until: number }) => [at.runKeys, at.after, at.until],
)

/** Lists the newest step change up to `until` of each open run, if it came after `after`, in order of change. */
export const changedSteps = async (
  queries: Queries,
  at: { runKeys: string[]; after: number; until: number },
): Promise<RunChange[]> => {
  const rows = await newestChangesOf(queries, at)
  // filtered here: in SQL the planner might scan all open runs instead of these few
  return rows.filter((row) => !row.ended)
}

/** Whether a collection exists. */
export const isThere = change(
  'collection_is_there',
  'select from collections where id = $1',
  (collectionId: number) => [collectionId],
)
