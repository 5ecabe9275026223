import { mostStepsSideBySide } from '../../model/workflows/workflow.ts'
import type { Queries } from '../database/database.ts'

/** Reads the last change number drawn by any transaction, committed or not. Nearly free. */
export const lastDrawn = async (queries: Queries): Promise<number> => {
  const [row] = await queries.rows<{ drawn: number }>('last_drawn', 'select last_value as drawn from changes')
  return row?.drawn ?? 0
}

/** Transactions with ids below `before` drew the numbers up to `drawn`; all transactions below `from` have ended. */
export interface DrawnNumbers {
  drawn: number
  before: number
  from: number
}

/**
 * Reads the numbers that decide when changes are settled: visible, or rolled back. A transaction that draws a number
 * has its transaction id by then, so an id taken after reading the last number is an upper bound for theirs. (The xmax
 * of a snapshot is no such bound: it stands at the oldest running transaction.) Uses up a transaction id, so call it
 * only when needed.
 */
export const drawnSoFar = async (queries: Queries): Promise<DrawnNumbers> => {
  const [row] = await queries.rows<DrawnNumbers>(
    'drawn_so_far',
    `select last_value as drawn, pg_current_xact_id()::text::bigint as before,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint as "from" from changes`,
  )
  return row ?? { drawn: 0, before: 0, from: 0 }
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
export const newestChanges = (queries: Queries, runKeys: string[]): Promise<{ id: string; newest: number }[]> =>
  queries.rows(
    'newest_changes',
    `select id, greatest(changed, labels_changed, ${newestStep('runs.id', 'changed')},
       (select max(changed) from step_events where run_id = runs.id)) as newest
     from runs where id = any($1::text[])`,
    [runKeys],
  )

/** A change of a run of a watched collection. */
export interface RunChange {
  id: string
  ended: boolean
  changed: number
  /** Name of the newest started step. */
  step: string | null
}

const runChange = 'r.id, r.ended_at is not null as ended'

/** Lists runs of a collection changed after `after` and up to `until`, labels included, in order of change. */
export const changedRuns = (
  queries: Queries,
  at: { collectionId: number; after: number; until: number; limit: number },
): Promise<RunChange[]> =>
  queries.rows(
    'changed_runs',
    `select ${runChange}, c.changed, ${newestStep('r.id', 'name')} as step
     from (
       (select id, changed from runs
        where collection_id = $1 and changed > $2 and changed <= $3 order by changed limit $4)
       union all
       (select id, labels_changed from runs
        where collection_id = $1 and labels_changed > 0 and labels_changed > $2 and labels_changed <= $3
        order by labels_changed limit $4)) c
     join runs r on r.id = c.id order by c.changed limit $4`,
    [at.collectionId, at.after, at.until, at.limit],
  )

/** Runs that were removed together. */
export interface RunRemoval {
  changed: number
  /** JSON text: a list of {trajectory_id, task}. */
  runs: string
}

/** Lists removals of runs of a collection after one change number and up to another, in order. */
export const removedRuns = (
  queries: Queries,
  at: { collectionId: number; after: number; until: number },
): Promise<RunRemoval[]> =>
  queries.rows(
    'removed_runs',
    `select changed, runs from removed_runs where collection_id = $1 and changed > $2 and changed <= $3 order by changed`,
    [at.collectionId, at.after, at.until],
  )

/** Lists the newest open runs of a collection, oldest of them first. */
export const openRunsOf = async (queries: Queries, collectionId: number, limit: number): Promise<string[]> => {
  const rows = await queries.rows<{ id: string }>(
    'open_runs_of',
    // Open runs are few, so their partial index serves; each feed asks once.
    `select id from (select id, number from runs where ended_at is null and collection_id = $1
       order by number desc limit $2) newest order by number`,
    [collectionId, limit],
  )
  return rows.map((row) => row.id)
}

/** Lists the newest step change up to `until` of each open run, if it came after `after`, in order of change. */
export const changedSteps = async (
  queries: Queries,
  at: { runKeys: string[]; after: number; until: number },
): Promise<RunChange[]> => {
  const rows = await queries.rows<RunChange>(
    'changed_steps',
    `select ${runChange}, s.changed, s.name as step
     from runs r cross join lateral (
       select name, changed from ${newestSteps('r.id')} where changed <= $3 order by changed desc limit 1) s
     where r.id = any($1::text[]) and s.changed > $2 order by s.changed`,
    [at.runKeys, at.after, at.until],
  )
  // filtered here: in SQL the planner might scan all open runs instead of these few
  return rows.filter((row) => !row.ended)
}

/** Whether a collection exists. */
export const isThere = async (queries: Queries, collectionId: number): Promise<boolean> =>
  (await queries.rows('collection_is_there', 'select from collections where id = $1', [collectionId])).length > 0
