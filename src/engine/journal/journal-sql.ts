import { spentOnRun } from '../../store/calls/budget.ts'
import { labelledRun, labelNewRuns } from '../../store/runs/labels.ts'
import { endedRun, endedStep, keepDurationTotals, keepRunTotals, keepStepTotals } from '../../store/runs/totals.ts'
import {
  beginInput,
  bornInput,
  bornStepInput,
  callInput,
  endInput,
  eventInput,
  fileInput,
  inputRows,
  labelInput,
  labelRows,
  parkInput,
  runInput,
  stepInput,
} from './journal-columns.ts'

/** Columns of a new run that are copied unchanged. */
const runColumns = runInput
  .map(([name]) => name)
  .filter((name) => name !== 'epoch' && name !== 'more' && name !== 'created')

/** Columns that most new runs have nothing for: members of `more`. */
const extraColumns = {
  params: 'text',
  routine_id: 'bigint',
  webhook_url: 'text',
  sealed_webhook_secret: 'text',
  replay_of: 'text',
  refusal: 'text',
  runs_on: 'text',
  trace_context: 'text',
  economy: 'text',
  trial: 'text',
  parent_id: 'text',
  parent_seq: 'int',
  child_index: 'int',
  depth: 'smallint',
}
const extraOf = ([column, type]: [string, string]): string =>
  column === 'depth' ? `coalesce((u.more->>'depth')::smallint, 0)` : `(u.more->>'${column}')::${type}`

/** Part of every statement that makes runs: their columns, and as expressions on a row `u` of `newRunRows`. */
export const newRunColumns = [...runColumns, ...Object.keys(extraColumns)].join(', ')
export const newRunValues = [
  ...runColumns.map((column) => `u.${column}`),
  ...Object.entries(extraColumns).map(extraOf),
].join(', ')
/** The new runs of a statement as rows `u`, from the parameter `from` on. */
export const newRunRows = (from: number): string => inputRows(from, runInput)

/** Part of every statement that makes runs: keeps the number of runs of each task, from their rows. */
export const countNewRuns = (shard: string, rows = 'new_runs'): string => `counted as (
  insert into run_counts (task_id, shard, total)
  select task_id, ${shard}, count(*) from ${rows} group by task_id order by task_id
  on conflict (task_id, shard) do update set total = run_counts.total + excluded.total)`

/** Kinds of rows that a commit may have. */
export interface CommitParts {
  runs: boolean
  born: boolean
  steps: boolean
  begins: boolean
  ends: boolean
  parks: boolean
  events: boolean
  calls: boolean
  files: boolean
  /** Only with `runs`. */
  labels: boolean
}

const shard = '$2::smallint'

const newRuns = (from: number, { labels }: CommitParts): string => `new_runs as (
  insert into runs (${newRunColumns}, status, created_at, started_at)
  select ${newRunValues}, 'running', to_timestamp(u.created / 1000), to_timestamp(u.created / 1000)
  from ${newRunRows(from)}, m
  where (m.epochs->>u.lease)::int = u.epoch
  on conflict do nothing
  returning id, task_id${labels ? `, ${labelledRun}` : ''})`

/**
 * The parents are few, so each is looked up once, and not for each run. Below a parent that has ended, is to end or is gone
 * nothing is written.
 */
const bornRuns = (from: number): string => `parents as materialized (
  select p.id from (select distinct id from unnest($${from + runInput.length}::text[]) one(id)) one
  join runs p on p.id = one.id and p.requested_status is null and p.ended_at is null),
born_runs as (
  insert into runs as r (${newRunColumns}, status, error, created_at, started_at, ended_at)
  select ${newRunValues}, u.status, u.error, to_timestamp(u.created / 1000), to_timestamp(u.started / 1000),
    to_timestamp(u.ended / 1000)
  from ${inputRows(from, bornInput)}, m
  where (m.epochs->>u.lease)::int = u.epoch and u.parent in (select id from parents)
  on conflict do nothing
  returning r.id, ${endedRun})`

const countedRuns = ({ runs, born }: CommitParts): string =>
  runs && born
    ? '(select task_id from new_runs union all select task_id from born_runs) made'
    : runs
      ? 'new_runs'
      : 'born_runs'

/** Columns of `steps` whose values arrive in milliseconds. */
const stepTimes: Readonly<Record<string, string>> = { started: 'started_at', wake: 'wake_at', ended: 'ended_at' }
const stepNames = stepInput.map(([name]) => name).filter((name) => name !== 'lease')
const stepColumns = stepNames.map((name) => stepTimes[name] ?? name)
const stepValues = stepNames.map((name) => (name in stepTimes ? `to_timestamp(u.${name} / 1000)` : `u.${name}`))
/** The completion of a step keeps these of its start row. */
const keptOfStart = new Set(['run_id', 'seq', 'name', 'turn', 'started_at'])
/** A step that resumed after a wait may be completed without inputs: those of its start row stay. */
const keptIfAbsent = new Set(['inputs', 'inputs_payload'])
const completedColumns = stepColumns
  .filter((name) => !keptOfStart.has(name))
  .map(
    (name) => `${name} = ${keptIfAbsent.has(name) ? `coalesce(excluded.${name}, steps.${name})` : `excluded.${name}`}`,
  )

/** Steps of a run that could not be written are not written either: another run has its key. */
const writtenSteps = (from: number, born: boolean): string => `written as (
  insert into steps (${stepColumns.join(', ')})
  select ${stepValues.join(', ')}
  from ${inputRows(from, born ? bornStepInput : stepInput)}, m
  where (m.epochs->>u.lease)::int = u.epoch${born ? ' and (not u.born or u.run_id in (select id from born_runs))' : ''}
  on conflict (run_id, seq) do update set ${completedColumns.join(', ')}, changed = nextval('changes')
    where steps.ended_at is null
  returning run_id, ended_at is not null and origin is null and status <> 'skipped' counts, ${endedStep('steps')})`

const begunRuns = (from: number): string => `begun as (
  update runs r set status = 'running', started_at = to_timestamp(u.started / 1000), changed = nextval('changes')
  from ${inputRows(from, beginInput)}, m
  where (m.epochs->>u.lease)::int = u.epoch and r.id = u.id and r.ended_at is null and r.status = 'pending')`

const endedRuns = (from: number): string => `ended_here as (
  update runs r set status = u.status, error = u.error, ended_at = to_timestamp(u.ended / 1000), sealed_secrets = null,
      started_at = coalesce(r.started_at, to_timestamp(u.started / 1000)), cost_usd = ${spentOnRun},
      changed = nextval('changes')
  from ${inputRows(from, endInput)}, m
  where (m.epochs->>u.lease)::int = u.epoch and r.id = u.id and r.ended_at is null
  returning ${endedRun})`

const endedRow = 'task_id, status, "day", ms, sign'

const allEnded = ({ ends, born }: CommitParts): string => {
  const from = [...(ends ? ['ended_here'] : []), ...(born ? ['born_runs'] : [])]
  return `ended_runs as (${from.map((rows) => `select ${endedRow} from ${rows}`).join(' union all ')})`
}

const parkedRuns = (from: number): string => `parked as (
  update runs r set lease = null,
      -- below 0: it waits before a step, and may not have begun
      status = case when u.seq < 0 then r.status else 'running' end,
      started_at = case when u.seq < 0 then r.started_at else coalesce(r.started_at, now()) end,
      -- decided, or asked to end, while this waited for the row: then it need not wait any more
      wake_at = case when r.decided_seq = u.seq or r.requested_status is not null then now()
        else to_timestamp(u.wake / 1000) end
  from ${inputRows(from, parkInput)}, m
  where (m.epochs->>u.lease)::int = u.epoch and r.id = u.id and r.ended_at is null
    and r.lease is not distinct from u.lease)` // sent again, it may have been woken since; "=" would search for the lease

const toldEvents = (from: number): string => `told as (
  insert into step_events (run_id, seq, n, at, event)
  select u.run_id, u.seq, u.n, to_timestamp(u.at / 1000), u.event
  from ${inputRows(from, eventInput)}, m
  where (m.epochs->>u.lease)::int = u.epoch
  on conflict do nothing)`

const madeCalls = (from: number): string => `made as (
  insert into step_calls (run_id, seq, n, at, call)
  select u.run_id, u.seq, u.n, to_timestamp(u.at / 1000), u.call
  from ${inputRows(from, callInput)}, m
  where (m.epochs->>u.lease)::int = u.epoch
  on conflict do nothing)`

/** Files come with the run or the step beside them. */
const keptFiles = (from: number, { runs, steps }: CommitParts): string => `kept as (
  insert into files (path, collection_id, run_id, object, name, content_type, size, sha256)
  select u.path, u.collection_id, u.run_id, u.object, u.name, u.content_type, u.size, u.sha256
  from ${inputRows(from, fileInput)}
  where case when u.seq is null then ${runs ? 'exists (select from new_runs n where n.id = u.run_id)' : 'false'}
        else ${steps ? 'exists (select from written w where w.run_id = u.run_id and w.seq = u.seq)' : 'false'} end
  on conflict (path) do update set object = excluded.object, name = excluded.name,
      content_type = excluded.content_type, size = excluded.size, sha256 = excluded.sha256,
      run_id = excluded.run_id)`

/**
 * One statement, one fsync. `l` locks the leases (FOR SHARE: an owner change has to wait for us, and we for it), and
 * every part writes only for leases that still have the epoch the entry was made under. It is idempotent: sent twice it
 * writes once. It returns the leases with their epochs, then the new runs with epoch -1. Parts without rows are left
 * out, because Postgres takes as long to prepare a part as to write a row.
 *
 * The guard for "not ended yet" is `ended_at is null`, never the status: a partial index on the status would match it,
 * and after an ANALYZE every open run would be scanned for every entry.
 */
export const commitStatement = (parts: CommitParts): string => {
  const { runs, born, steps, begins, ends, parks, events, calls, files, labels } = parts
  let next = 3
  const from = (columns: { length: number }): number => {
    next += columns.length
    return next - columns.length
  }
  // In the order in which every statement writes totals, so that none deadlock.
  const written = [
    ...(runs ? [newRuns(from(runInput), parts)] : []),
    ...(born ? [bornRuns(from(bornInput))] : []),
    ...(runs || born ? [countNewRuns(shard, countedRuns(parts))] : []),
    ...(steps
      ? [
          writtenSteps(from(born ? bornStepInput : stepInput), born),
          'ended_steps as (select * from written where counts)',
        ]
      : []),
    ...(begins ? [begunRuns(from(beginInput))] : []),
    ...(ends ? [endedRuns(from(endInput))] : []),
    ...(ends || born ? [allEnded(parts), keepRunTotals(shard), keepDurationTotals(shard)] : []),
    ...(steps ? [keepStepTotals(shard)] : []),
    ...(parks ? [parkedRuns(from(parkInput))] : []),
    ...(events ? [toldEvents(from(eventInput))] : []),
    ...(calls ? [madeCalls(from(callInput))] : []),
    ...(files ? [keptFiles(from(fileInput), parts)] : []),
    ...(labels ? [labelNewRuns(labelRows(from(labelInput)))] : []),
  ]
  return `
with l as materialized (select id, epoch from leases where id = any($1::text[]) order by id for share),
m as materialized (select coalesce(jsonb_object_agg(id, epoch), '{}') epochs from l),
${written.join(',\n')}
select id, epoch from l where $2::smallint is not null${runs ? ' union all select id, -1 from new_runs' : ''}${
    born ? ' union all select id, -1 from born_runs' : ''
  }`
}
