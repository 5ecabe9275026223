import type { RecordedCall } from '../../model/gateway/recorded-call.ts'
import { countedModel } from '../../store/calls/budget.ts'
import { identified } from '../../store/runs/changes.ts'
import type { Placed } from '../../store/runs/payloads.ts'
import { endedRun, endedStep, keepTotals } from '../../store/runs/totals.ts'
import { fileInput, inputRows } from '../journal/journal-columns.ts'
import { columns, fileValues, pushRow, storable } from '../journal/journal-entry.ts'
import { countNewRuns } from '../journal/journal-sql.ts'

/** A call record whose large values are stored. */
export interface PlacedCall {
  call: RecordedCall
  initParams: Placed
  outputs: Placed
}

/** Columns of a call, in the order of `callValues`. */
const callColumns = {
  id: 'text',
  trajectory_id: 'text',
  workflow_id: 'text',
  collection_id: 'bigint',
  task_id: 'bigint',
  name: 'text',
  definition: 'text',
  init_params: 'text',
  init_params_payload: 'text',
  author: 'text',
  environment_id: 'bigint',
  status: 'text',
  error: 'text',
  created: 'float8',
  ended: 'float8',
  step: 'text',
  inputs: 'text',
  outputs: 'text',
  outputs_payload: 'text',
  step_error: 'text',
  usage: 'text',
  usd: 'numeric',
  tokens: 'bigint',
  model: 'text',
}

/** Numbers of calls in one statement, largest first: a batch uses one of these. */
export const batchSizes = [64, 32, 16, 8, 4, 2, 1] as const

const shard = '$1::smallint'
const types = Object.values(callColumns)
const runColumns =
  'id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, init_params_payload, author, environment_id, status, error'

/** Single parameters: unnesting arrays column by column would take Postgres as long as all the rest. */
const rowsOf = (calls: number): string =>
  Array.from(
    { length: calls },
    (_, row) => `(${types.map((type, column) => `$${2 + row * types.length + column}::${type}`).join(', ')})`,
  ).join(',\n')

const keepFiles = (from: number): string => `,
kept as (
  insert into files (path, collection_id, run_id, object, name, content_type, size, sha256)
  select u.path, u.collection_id, u.run_id, u.object, u.name, u.content_type, u.size, u.sha256
  from ${inputRows(from, fileInput)}
  where exists (select from new_runs n where n.id = u.run_id)
  on conflict (path) do nothing)`

/**
 * Records ended calls, each as a run with one step, with their counts, totals and spending. No other process writes
 * these runs, so no lease guards them. Skips a call whose task is gone, one that exists already, and one whose
 * trajectory id another run has. Returns the keys written.
 */
export const recordStatement = (calls: number, withFiles: boolean): string => `
with ${identified},
c as materialized (
  select u.*, to_timestamp(u.created / 1000) created_at, to_timestamp(u.ended / 1000) ended_at
  from (values ${rowsOf(calls)}) u(${Object.keys(callColumns).join(', ')}), identified
  where (select t.id from tasks t where t.id = u.task_id) is not null),
new_runs as (
  insert into runs as r (${runColumns}, created_at, started_at, ended_at)
  select ${runColumns}, created_at, created_at, ended_at from c
  on conflict do nothing
  returning r.id, ${endedRun}),
written as (
  insert into steps as s (run_id, task_id, seq, name, status, attempt, inputs, outputs, outputs_payload, error, usage,
    epoch, work_ms, started_at, ended_at)
  select id, task_id, 0, step, status, 1, inputs, outputs, outputs_payload, step_error, usage, 0, ended - created, created_at,
    ended_at
  from c
  on conflict do nothing
  returning ${endedStep('s')}),
${countNewRuns(shard)},
ended_runs as (select * from new_runs),
ended_steps as (select * from written),
${keepTotals(shard)},
spent as (
  insert into spending as p (collection_id, day, task_id, model, shard, usd, tokens, calls)
  select c.collection_id, (c.ended_at at time zone 'UTC')::date, c.task_id, c.model collate "C", ${shard},
    coalesce(sum(c.usd), 0), coalesce(sum(c.tokens), 0), count(*)
  from new_runs n join c on c.id = n.id where c.usd is not null or c.tokens is not null group by 1, 2, 3, 4
  order by 1, 2, 3, 4
  on conflict (collection_id, day, task_id, model, shard) do update
    set usd = p.usd + excluded.usd, tokens = p.tokens + excluded.tokens, calls = p.calls + excluded.calls)${withFiles ? keepFiles(2 + calls * types.length) : ''}
select id from new_runs`

const callValues = ({ call, initParams, outputs }: PlacedCall): unknown[] => [
  call.key,
  call.trajectoryId,
  `${call.name.replaceAll('/', '-')}--${call.trajectoryId}`,
  call.collectionId,
  call.taskId,
  call.name,
  call.definition,
  initParams.text,
  initParams.payload,
  call.author,
  call.environmentId,
  call.status,
  storable(call.error),
  call.startedMs,
  call.endedMs,
  call.step.name,
  call.step.inputs,
  outputs.text,
  outputs.payload,
  storable(call.step.error),
  call.step.usage ?? null,
  call.usd,
  call.tokens,
  countedModel(call.model),
]

/** Parameters of the statement for these calls. */
export const recordValues = (placed: PlacedCall[], ownShard: number): unknown[] => {
  const files = columns(fileInput.length)
  for (const { call } of placed) {
    for (const file of call.files) pushRow(files, fileValues(call.key, 0, call.collectionId, file))
  }
  return [ownShard, ...placed.flatMap(callValues), ...(files[0]?.length ? files : [])]
}
