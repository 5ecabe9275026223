import type { Queries } from '../../database/database.ts'
import { mostStepsSideBySide, type RunStatus } from '../../model/workflows/workflow.ts'
import { waitingText } from './runs.ts'

/** The last number that anybody has drawn for a change, committed or not. Costs next to nothing. */
export const lastDrawn = async (queries: Queries): Promise<number> => {
  const [row] = await queries.rows<{ drawn: number }>('last_drawn', 'select last_value as drawn from changes')
  return row?.drawn ?? 0
}

/** Numbers up to `drawn` were drawn by transactions with ids below `before`; those below `from` have all ended. */
export interface Drawn {
  drawn: number
  before: number
  from: number
}

/**
 * What is needed to tell when numbers are settled: visible, or never to be. Whoever draws a number has a transaction
 * id by then, so after reading the last number an id of our own is an upper bound for theirs. (The xmax of a snapshot
 * is none: it stands at the oldest of those that still run.) It uses up an id: not to be asked without need.
 */
export const drawnSoFar = async (queries: Queries): Promise<Drawn> => {
  const [row] = await queries.rows<Drawn>(
    'drawn_so_far',
    `select last_value as drawn, pg_current_xact_id()::text::bigint as before,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint as "from" from changes`,
  )
  return row ?? { drawn: 0, before: 0, from: 0 }
}

/**
 * For a statement that draws numbers before anything gives it a transaction id, such as an insert whose default draws:
 * it takes its rows from here too, and has the id first.
 */
export const identified = 'identified as materialized (select pg_current_xact_id())'

/**
 * The newest steps of a run have its newest step change, or that of steps which run side by side: a glance at the end of
 * the index, however long the run is.
 */
const newestSteps = (runId: string): string =>
  `(select name, changed from steps where run_id = ${runId} order by seq desc limit ${mostStepsSideBySide}) newest`
const newestStep = (runId: string, column: string): string =>
  `(select ${column} from ${newestSteps(runId)} order by changed desc limit 1)`

/** The number of the newest change of each run that is there. */
export const newestChanges = (queries: Queries, runKeys: string[]): Promise<{ id: string; newest: number }[]> =>
  queries.rows(
    'newest_changes',
    `select id, greatest(changed, labels_changed, ${newestStep('runs.id', 'changed')},
       (select max(changed) from step_events where run_id = runs.id)) as newest
     from runs where id = any($1::text[])`,
    [runKeys],
  )

/** What a collection's watcher is told of a run. */
export interface RunChange {
  id: string
  trajectory_id: string
  name: string
  status: RunStatus
  ended: boolean
  changed: number
  /** Its newest step that has started. */
  step: string | null
  /** JSON text: its steps that wait for a person; null where none does. */
  waiting: string | null
}

const runChange = `r.id, r.trajectory_id, r.name, r.status, r.ended_at is not null as ended, ${waitingText}`

/** Runs of a collection that changed after `after` and not later than `until`, in the order of change. */
export const changedRuns = (
  queries: Queries,
  at: { collectionId: number; after: number; until: number; limit: number },
): Promise<RunChange[]> =>
  queries.rows(
    'changed_runs',
    `select ${runChange}, r.changed, ${newestStep('r.id', 'name')} as step
     from runs r where r.collection_id = $1 and r.changed > $2 and r.changed <= $3 order by r.changed limit $4`,
    [at.collectionId, at.after, at.until, at.limit],
  )

/** The newest open runs of a collection, the oldest of them first. */
export const openRunsOf = async (queries: Queries, collectionId: number, limit: number): Promise<string[]> => {
  const rows = await queries.rows<{ id: string }>(
    'open_runs_of',
    // There are few open runs beside all others: the index on those serves, and it is asked once a feed.
    `select id from (select id, number from runs where ended_at is null and collection_id = $1
       order by number desc limit $2) newest order by number`,
    [collectionId, limit],
  )
  return rows.map((row) => row.id)
}

/** The newest change of a step by `until` of each run that is open, if it came after `after`; in the order of change. */
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
  return rows.filter((row) => !row.ended) // asked for in SQL, all open runs might be scanned instead of these few
}

/** Whether a collection is still there. */
export const isThere = async (queries: Queries, collectionId: number): Promise<boolean> =>
  (await queries.rows('collection_is_there', 'select from collections where id = $1', [collectionId])).length > 0
