import { AppError } from '../../lib/errors.ts'
import type { Queries } from '../../store/database/database.ts'
import type { Carry } from '../engine.ts'

/**
 * Copies records as steps of the new run, large values included, since the old run may be deleted first. They were
 * executed once, elsewhere: they add nothing to totals, cost and time of the new run.
 */
const carryStatement = `
with source as materialized (select * from steps where run_id = $2 and seq = any($3::int[])),
copied as (
  insert into payloads (id, run_id, body)
  select $1 || '/' || s.seq || '/' || v.part, $1, p.body
  from source s cross join lateral (values ('inputs', s.inputs_payload), ('outputs', s.outputs_payload)) v(part, id)
  join payloads p on p.id = v.id)
insert into steps (run_id, task_id, seq, name, turn, status, attempt, inputs, outputs, inputs_payload, outputs_payload, error,
    warnings, origin, work_ms, epoch, started_at, ended_at)
select $1, $4, s.seq, s.name, s.turn, s.status, s.attempt, s.inputs, s.outputs,
  case when s.inputs_payload is not null then $1 || '/' || s.seq || '/inputs' end,
  case when s.outputs_payload is not null then $1 || '/' || s.seq || '/outputs' end,
  s.error, s.warnings,
  case when s.origin::json->>'kind' = 'rerun' then s.origin
    else json_build_object('trajectory_id', $5::text, 'task', $6::text, 'step', s.name, 'kind', 'rerun')::text end,
  0, 0, s.started_at, s.ended_at
from source s where s.ended_at is not null
returning 1`

/** Writes carried steps, in the transaction that creates their run. Throws when the source has been deleted since. */
export const writeCarried = async (
  queries: Queries,
  run: { key: string; taskId: number },
  { source, steps }: Carry,
): Promise<void> => {
  const seqs = steps.map(({ seq }) => seq)
  const values = [run.key, source.key, seqs, run.taskId, source.trajectoryId, source.name]
  const written = await queries.rows('carry_steps', carryStatement, values)
  if (written.length < seqs.length) {
    throw new AppError('not_found', `Run ${source.trajectoryId} was deleted in the meantime, with its results`)
  }
}
