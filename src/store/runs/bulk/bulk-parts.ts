import type { Queries } from '../../database/database.ts'
import { bool, change, int, listsOf, namesOf, orNull, query, type Row, table, text } from '../../database/table.ts'
import type { BulkActionRow } from './bulk-actions.ts'

/** A run of an action. */
const bulkRuns = table('bulk_runs', {
  n: int,
  run_id: text,
  trajectory_id: text,
  task: text,
  /** JSON: labels of the key before the change. */
  labels: orNull(text),
})
export type BulkRun = Row<typeof bulkRuns.columns>

type BulkOutcome = 'done' | 'skipped' | 'failed'

/** Outcome of an action for a run. */
export interface BulkResult {
  n: number
  outcome: BulkOutcome
  error?: string
  newTrajectoryId?: string
}

/** A part of an action. */
export interface BulkPart {
  /** Numbers that it uses up: runs that are gone by now count too. */
  taken: number
  /** JSON text of the position where the next part begins; null if there is no next part. */
  position: string | null
}

/** Notes a part and its runs before they are changed: whoever repeats the part changes the same runs. */
export const noteBulkPart = change(
  'note_bulk_part',
  `with noted as (update bulk_actions set part = $3 where id = $1 and claim = $2 returning id)
     insert into bulk_runs (action_id, n, run_id, trajectory_id, task, labels)
     select noted.id, u.* from noted, unnest($4::int[], $5::text[], $6::text[], $7::text[], $8::text[]) u
     on conflict do nothing`,
  ({ id, claim }: Pick<BulkActionRow, 'id' | 'claim'>, part: BulkPart, runs: readonly BulkRun[]) => [
    ...[id, claim, JSON.stringify(part)],
    ...listsOf(['n', 'run_id', 'trajectory_id', 'task', 'labels'], runs),
  ],
)

/** Reads the noted runs of a part. */
export const notedRuns = query(
  'noted_bulk_runs',
  bulkRuns.columns,
  `select ${namesOf(bulkRuns.columns)} from bulk_runs
     where action_id = $1 and n >= $2 and n < $3 order by n`,
  (id: string, from: number, before: number) => [id, from, before],
)

/** Records a part, unless the claim is lost: then the process that has it records the same. */
export const settleBulkPart = change(
  'settle_bulk_part',
  `with settled as (
       update bulk_actions set position = $3, part = null, taken = taken + $4, due_at = now(), claim = claim + 1,
         done = done + $5, skipped = skipped + $6, failed = failed + $7,
         total = case when $3::text is null then taken + $4 else total end,
         ended_at = case when $3::text is null then coalesce(ended_at, now()) else ended_at end,
         state = case when $3::text is null and state = 'running' then 'completed' else state end
       where id = $1 and claim = $2 returning id)
     update bulk_runs b set outcome = u.outcome, error = u.error, new_trajectory_id = u.made
     from settled, unnest($8::int[], $9::text[], $10::text[], $11::text[]) u(n, outcome, error, made)
     where b.action_id = settled.id and b.n = u.n`,
  ({ id, claim }: Pick<BulkActionRow, 'id' | 'claim'>, part: BulkPart, results: readonly BulkResult[]) => [
    ...[id, claim, part.position, part.taken],
    ...(['done', 'skipped', 'failed'] as const).map((one) => results.filter(({ outcome }) => outcome === one).length),
    ...listsOf(['n', 'outcome'], results),
    results.map((one) => one.error ?? null),
    results.map((one) => one.newTrajectoryId ?? null),
  ],
)

/** Puts a part off that could not be carried out whole; it is repeated. */
export const putOffBulkPart = change(
  'put_off_bulk_part',
  `update bulk_actions set due_at = now() + $3 * interval '1 millisecond', claim = claim + 1
     where id = $1 and claim = $2`,
  ({ id, claim }: Pick<BulkActionRow, 'id' | 'claim'>, milliseconds: number) => [id, claim, milliseconds],
)

/** Reads runs that an action changed, from a number on, with their labels before the change. */
export const changedByBulk = query(
  'changed_by_bulk',
  bulkRuns.columns,
  `select ${namesOf(bulkRuns.columns)} from bulk_runs
     where action_id = $1 and n >= $2 and outcome = 'done' order by n limit $3`,
  (id: string, from: number, limit: number) => [id, from, limit],
)

/** Reads the first errors of an action. */
export const bulkErrors = query(
  'bulk_errors',
  { trajectory_id: text, task: text, error: text },
  `select trajectory_id, task, coalesce(error, '') as error from bulk_runs
     where action_id = $1 and outcome = 'failed' order by n limit $2`,
  (id: string, limit: number) => [id, limit],
)

const endedAmong = query(
  'open_among',
  { id: text, ended: bool },
  // Filtered here: with `ended_at is null` the planner might scan every open run through its partial index.
  'select id, ended_at is not null as ended from runs where id = any($1::text[])',
  (runKeys: readonly string[]) => [runKeys],
)

/** Which of these runs have not ended. */
export const openAmong = async (queries: Queries, runKeys: readonly string[]): Promise<string[]> => {
  const rows = await endedAmong(queries, runKeys)
  return rows.filter((row) => !row.ended).map((row) => row.id)
}
