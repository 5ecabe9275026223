import { newTrajectoryId } from '../../lib/ids.ts'
import type { Logger } from '../../lib/log.ts'
import type { Queries } from '../../store/database/database.ts'
import { query, text } from '../../store/database/table.ts'
import { identified } from '../../store/runs/changes.ts'
import { labelNewRuns } from '../../store/runs/labels.ts'
import { keepPayload } from '../../store/runs/payloads.ts'
import { endedRun, endedStep, keepTotals } from '../../store/runs/totals.ts'
import { taskForRecords } from '../../store/tasks/tasks.ts'
import { countNewRuns } from '../journal/journal-sql.ts'
import { type CallRow, callColumns, type LineContent, payloadOf } from './log-line.ts'

const shard = '$1::smallint'
const runColumns =
  'id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, init_params_payload, author, environment_id, status, error, cost_usd, trace_context'

const rows = Object.entries({ ...callColumns, files: 'json', labels: 'json' }).map(([name, type]) => `${name} ${type}`)

const keepFiles = `,
kept as (
  insert into files (path, collection_id, run_id, object, name, content_type, size, sha256)
  select f.path, c.collection_id, c.id, f.object, f.name, f."contentType", f.size, f.sha256
  from c, json_to_recordset(c.files) f(path text, object text, name text, "contentType" text, size bigint, sha256 text)
  where exists (select from new_runs n where n.id = c.id)
  on conflict (path) do nothing)`

const labelsOfCalls = `join c using (id) cross join
  rows from (json_to_recordset(c.labels) as (key text, value text)) with ordinality u(key, value, at)`

const useOfCalls = `union all
  select l.collection_id, l.key, l.value, (c.ended_at at time zone 'UTC')::date, c.usd, c.tokens, 1, 0
  from labelled l join c on c.id = l.run_id where c.usd is not null or c.tokens is not null`

/**
 * Records ended calls (`$2`, a JSON array of their lines), each as a run with one step, with their counts, totals and
 * spending. No other process writes these runs, so no lease guards them. Skips a call whose task is gone, one that exists
 * already, and one whose trajectory id another run has. Returns the keys written.
 */
const recordStatement = (withMore: boolean): string => `
with ${identified},
c as materialized (
  select u.*, replace(u.name, '/', '-') || '--' || u.trajectory_id workflow_id,
    to_timestamp(u.created / 1000) created_at, to_timestamp(u.ended / 1000) ended_at
  from json_to_recordset($2::json) u(${rows.join(', ')}), identified
  where (select t.id from tasks t where t.id = u.task_id) is not null),
new_runs as (
  insert into runs as r (${runColumns}, created_at, started_at, ended_at)
  select ${runColumns}, created_at, created_at, ended_at from c
  on conflict do nothing
  returning r.id, r.collection_id, r.author, r.created_at, r.number, ${endedRun}),
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
witnessed as (
  insert into call_witnesses (collection_id, name, run_id, seq, is_gateway)
  select c.collection_id, w.name, c.id, 0, true from new_runs n join c on c.id = n.id cross join unnest(c.names) w(name)),
spent as (
  insert into spending as p (collection_id, day, task_id, model, shard, usd, tokens, calls)
  select c.collection_id, (c.ended_at at time zone 'UTC')::date, c.task_id, c.model collate "C", ${shard},
    coalesce(sum(c.usd), 0), coalesce(sum(c.tokens), 0), count(*)
  from new_runs n join c on c.id = n.id where c.usd is not null or c.tokens is not null group by 1, 2, 3, 4
  order by 1, 2, 3, 4
  on conflict (collection_id, day, task_id, model, shard) do update
    set usd = p.usd + excluded.usd, tokens = p.tokens + excluded.tokens, calls = p.calls + excluded.calls)${withMore ? `${keepFiles},\n${labelNewRuns(labelsOfCalls, useOfCalls)}` : ''}
select id from new_runs`

/**
 * Writes lines of the call log, as their JSON, to Postgres, idempotently. A call whose task was deleted is recorded
 * under a new one of that name; one whose collection is gone is dropped.
 */
export type CallWriter = (lines: readonly LineContent[]) => Promise<void>

const plain = { name: 'record', text: recordStatement(false) }
const withMore = { name: 'record_with_more', text: recordStatement(true) }

const opening = Buffer.from('[')
const comma = Buffer.from(',')
const closing = Buffer.from(']')

const arrayOf = (lines: readonly Buffer[]): Buffer =>
  Buffer.concat([opening, ...lines.flatMap((line, at) => (at === 0 ? [line] : [comma, line])), closing])

/** Whether a call has files or labels. */
const hasMore = (line: Buffer): boolean => /^\{"(?:files|labels)"/.test(line.toString('latin1', 0, 9))

const recorded = query('recorded', { id: text }, 'select id from runs where id = any($1::text[])', (keys: string[]) => [
  keys,
])

/** `own` is the connection for records; `queries` serves everything else. */
export const makeCallWriter = (options: {
  own: Pick<Queries, 'rows'>
  queries: Queries
  shard: number
  log: Logger
}): CallWriter => {
  const { own, queries, shard, log } = options

  const write: CallWriter = async (lines) => {
    const calls: Buffer[] = []
    for (const line of lines) {
      const large = payloadOf(line)
      if (large) await keepPayload(own, large.runKey, large.body, large.payload)
      else calls.push(line as Buffer)
    }
    if (calls.length === 0) return
    const { name, text } = calls.some(hasMore) ? withMore : plain
    const rows = await own.rows<{ id: string }>(name, text, [shard, arrayOf(calls)])
    if (rows.length === calls.length) return
    const written = new Set(rows.map(({ id }) => id))
    const sent = calls.map((line) => JSON.parse(line.toString()) as CallRow)
    for (const call of await absent(sent.filter(({ id }) => !written.has(id)))) await writeAgain(call)
  }

  /** Sent calls that are not stored. */
  const absent = async (calls: CallRow[]): Promise<CallRow[]> => {
    const keys = calls.map(({ id }) => id)
    const rows = await recorded(own, keys)
    const there = new Set(rows.map(({ id }) => id))
    return calls.filter(({ id }) => !there.has(id))
  }

  /** Either its task is gone, or its trajectory id is taken: ids are short, and one in millions clashes. */
  const writeAgain = async (call: CallRow): Promise<void> => {
    const again = (changed: Partial<CallRow>) => write([Buffer.from(JSON.stringify({ ...call, ...changed }))])
    const task = await taskForRecords(queries, {
      collectionId: call.collection_id,
      name: call.name.slice(call.name.indexOf('/') + 1),
      workflow: call.workflow,
    })
    if (!task) return
    if (task.id !== call.task_id) return again({ task_id: task.id })
    const trajectoryId = newTrajectoryId()
    log.warn({ run: call.trajectory_id, now: trajectoryId }, 'a call is recorded under another id: its own was taken')
    return again({ trajectory_id: trajectoryId })
  }

  return write
}
