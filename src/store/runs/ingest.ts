import { AppError } from '../../lib/errors.ts'
import { newRunKey, newTrajectoryId } from '../../lib/ids.ts'
import { now } from '../../lib/time.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import { type NewAuditRow, noteChange } from '../collections/audit.ts'
import type { Queries } from '../database/database.ts'
import { bigint, bool, change, moment, orNull, queryOne, text, textOf } from '../database/table.ts'
import { keeping } from '../tasks/definitions.ts'
import { createTask, definitionHash, type TaskFields } from '../tasks/tasks.ts'
import { labelTextsOf, RunMoved, writeLabels } from './labels.ts'
import { placeValue } from './payloads.ts'
import { countIngested, type IngestedTotals, otherShard } from './totals.ts'

/** A run executed elsewhere, to be recorded here. */
export interface IngestedRun {
  /** Default: drawn by the server. */
  trajectoryId: string | undefined
  status: Extract<RunStatus, 'completed' | 'failed' | 'cancelled' | 'archived'>
  author: string
  /** The authenticated sender. */
  recordedBy: string
  /** Audit entry for overwriting what another sender had recorded. */
  replacing: NewAuditRow
  /** JSON texts of objects. */
  inputs: string
  outputs: string
  params: string
  /** JSON text: tokens and cost of its model calls; null if not known. */
  usage: string | null
  /** US dollars; null if not known. */
  costUsd: number | null
  /** Labels with distinct keys. */
  labels: { key: string; value: string }[]
  /** Default: that of an overwritten run, else now. */
  createdMs: number | undefined
  /** Default: now. */
  completedMs: number | undefined
}

/** Where an ingested run is recorded. */
interface IngestPlace {
  collection: { id: number; name: string }
  task: string
  /** Task to create when there is none; undefined when the name may not be given to one. */
  stub: TaskFields | undefined
  /** Maximum labels of one run. */
  mostLabels: number
}

/** The recorded run; `labels` is the JSON text of all its labels. */
interface Recorded {
  trajectory_id: string
  name: string
  labels: string
}

const stepName = 'eval'
const workflow = '{"init_params":{},"step_configs":{"eval":{"activity":"ingest"}},"steps":["eval"]}'

/**
 * Records a run, or overwrites the ingested one with its id in the task. Runs in the caller's transaction, which must
 * be one of `insist`: a concurrent second one waits for the first one's row. Labels set by others stay. Undefined when
 * there is no such task and none may be created. Throws `conflict` for the id of a run executed on this server; nothing
 * is written then.
 */
export const ingestRun = async (
  queries: Queries,
  place: IngestPlace,
  run: IngestedRun,
): Promise<Recorded | undefined> => {
  const task = await holdTask(queries, place)
  if (!task) return undefined
  const times = timesOf(run, undefined)
  const row = { id: newRunKey(), collectionId: place.collection.id, taskId: task.id, workflow }
  const name = `${place.collection.name}/${task.name}`
  const made = await insertRun(queries, row, name, run, times)
  if (made !== undefined) {
    await writeStep(queries, row.id, task.id, run, times)
    await giveLabels(queries, row.id, run, place.mostLabels)
    await countRun(queries, task.id, 1)
    await countIngested(queries, { taskId: task.id, before: [], after: [countOf(run.status, times)] })
    return { trajectory_id: made, name, labels: await labelsNow(queries, row.id) }
  }
  const found = await holdOverwritable(queries, task.id, run.trajectoryId ?? '')
  await overwrite(queries, found, run, place.mostLabels)
  return { trajectory_id: found.trajectory_id, name: found.name, labels: await labelsNow(queries, found.id) }
}

const labelsNow = async (queries: Queries, runKey: string): Promise<string> =>
  (await labelTextsOf(queries, [runKey]))[0] ?? '[]'

interface Times {
  createdMs: number
  completedMs: number
}

/** Fills in missing times so that a run never ends before it begins. */
const timesOf = (run: IngestedRun, before: number | undefined): Times => {
  const createdMs = run.createdMs ?? Math.min(before ?? now(), run.completedMs ?? Number.POSITIVE_INFINITY)
  return { createdMs, completedMs: run.completedMs ?? Math.max(now(), createdMs) }
}

const countOf = (status: RunStatus, times: Times, failed = status === 'failed'): IngestedTotals => {
  const ms = times.completedMs - times.createdMs
  return { status, endedMs: times.completedMs, ms, steps: [{ name: stepName, seq: 0, failed, ms }] }
}

const lockTask = queryOne(
  'hold_task',
  { id: bigint, name: text },
  'select id, name from tasks where collection_id = $1 and lower(name) = lower($2) for key share',
  (id: number, task: string) => [id, task],
)

/**
 * Locks the task: its deletion, or its collection's, waits for this transaction and then finds the run. The lock also
 * assigns the transaction id before change numbers are drawn, which watchers of a collection rely on.
 */
export const holdTask = async (
  queries: Queries,
  { collection, task, stub }: Pick<IngestPlace, 'collection' | 'task' | 'stub'>,
): Promise<{ id: number; name: string } | undefined> => {
  for (;;) {
    const found = await lockTask(queries, collection.id, task)
    if (found) return found
    if (!stub) return undefined
    const made = await createTask(queries, collection.id, stub)
    if (made === 'gone') throw new AppError('not_found', 'Collection not found')
    if (made !== 'taken') return made
  }
}

const mostDraws = 20

/** Inserts a run and returns its id; undefined when the given id exists. */
const insertRun = async (
  queries: Queries,
  row: { id: string; collectionId: number; taskId: number; workflow: string },
  name: string,
  run: Omit<IngestedRun, 'outputs' | 'usage' | 'replacing' | 'labels'>,
  times: Times,
): Promise<string | undefined> => {
  for (let draws = 0; draws < mostDraws; draws++) {
    const id = run.trajectoryId ?? newTrajectoryId()
    const rows = await queries.rows(
      'ingest_run',
      `with ${keeping('$7::text', '$8::text')}
       insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
         recorded_by, status, params, cost_usd, ingested, created_at, started_at, ended_at)
       select $1, $2, $3, $4, $5::bigint, $6, $7, $9, $10, $15, $11, $12, $17::float8, true, to_timestamp($13::float8 / 1000),
         to_timestamp($13::float8 / 1000), to_timestamp($14::float8 / 1000)
       where not exists (select from runs where trajectory_id = $2 and not ingested and ($16 or task_id = $5))
       on conflict do nothing returning id`,
      [
        ...[row.id, id, `${name.replaceAll('/', '-')}--${id}`, row.collectionId, row.taskId, name],
        ...[definitionHash(row.workflow), row.workflow, run.inputs, run.author, run.status, run.params],
        ...[times.createdMs, times.completedMs, run.recordedBy, run.trajectoryId === undefined, run.costUsd],
      ],
    )
    if (rows.length > 0) return id
    if (run.trajectoryId !== undefined) return undefined
  }
  throw new Error(`${mostDraws} generated trajectory ids in a row already exist`)
}

interface HeldRun {
  id: string
  trajectory_id: string
  name: string
  task_id: number
  ingested: boolean
  /** Whether it records a trace, whose steps are spans. */
  is_trace: boolean
  recorded_by: string | null
  status: RunStatus
  created_at: Date
  ended_at: Date
}

const holdIngestedRun = queryOne(
  'hold_ingested_run',
  {
    id: text,
    trajectory_id: text,
    name: text,
    task_id: bigint,
    ingested: bool,
    is_trace: bool,
    recorded_by: orNull(text),
    status: textOf<RunStatus>(),
    created_at: moment,
    ended_at: moment,
  },
  `select id, trajectory_id, name, task_id, ingested, exists (select from spans where run_id = runs.id) is_trace,
       recorded_by, status, created_at, ended_at from runs
     where trajectory_id = $1 and task_id = $2 order by ingested limit 1 for update`,
  (trajectoryId: string, taskId: number) => [trajectoryId, taskId],
)

const holdOverwritable = async (queries: Queries, taskId: number, trajectoryId: string): Promise<HeldRun> => {
  const found = await holdIngestedRun(queries, trajectoryId, taskId)
  if (!found) throw new RunMoved('The run was deleted in the meantime')
  if (!found.ingested || found.is_trace) {
    const made = found.is_trace ? 'records a trace' : 'was executed on this server'
    throw new AppError('conflict', `Trajectory '${trajectoryId}' ${made} and cannot be overwritten`, {
      hint: 'Choose another trajectory_id, or omit it to get a new one.',
    })
  }
  return found
}

const ingestedStep = queryOne(
  'ingested_step',
  { failed: bool },
  `with gone as (delete from payloads where run_id = $1)
     select status = 'failed' as failed from steps where run_id = $1`,
  (id: string) => [id],
)

const overwrite = async (queries: Queries, found: HeldRun, run: IngestedRun, mostLabels: number): Promise<void> => {
  const before = { createdMs: found.created_at.getTime(), completedMs: found.ended_at.getTime() }
  const times = timesOf(run, before.createdMs)
  const step = await ingestedStep(queries, found.id)
  await writeStep(queries, found.id, found.task_id, run, times)
  await queries.rows(
    'overwrite_run',
    `with l as (update labels set run_created_at = to_timestamp($6::float8 / 1000)
         where run_id = $1 and run_created_at <> to_timestamp($6::float8 / 1000))
     update runs set status = $2, author = $3, recorded_by = $8, init_params = $4, params = $5, error = null, cost_usd = $9::float8,
       created_at = to_timestamp($6::float8 / 1000), started_at = to_timestamp($6::float8 / 1000),
       ended_at = to_timestamp($7::float8 / 1000), changed = nextval('changes')
     where id = $1`,
    [
      ...[found.id, run.status, run.author, run.inputs, run.params, times.createdMs, times.completedMs],
      ...[run.recordedBy, run.costUsd],
    ],
  )
  if (found.recorded_by !== run.recordedBy) {
    await noteChange(queries, run.replacing, { recorded_by: found.recorded_by ?? 'not known' })
  }
  await giveLabels(queries, found.id, run, mostLabels)
  await countIngested(queries, {
    taskId: found.task_id,
    before: [countOf(found.status, before, step?.failed)],
    after: [countOf(run.status, times)],
  })
}

/** Writes the run's only step; an existing one is overwritten, large values included. */
const writeStep = async (
  queries: Queries,
  runKey: string,
  taskId: number,
  run: IngestedRun,
  times: Times,
): Promise<void> => {
  const inputs = await placeValue(queries, runKey, run.inputs)
  const outputs = await placeValue(queries, runKey, run.outputs)
  await queries.rows(
    'ingest_step',
    `insert into steps (run_id, task_id, seq, name, status, attempt, epoch, inputs, inputs_payload, outputs,
       outputs_payload, work_ms, started_at, ended_at, usage)
     values ($1, $2, 0, $3, $4, 1, 0, $5, $6, $7, $8, $10::float8 - $9::float8, to_timestamp($9::float8 / 1000),
       to_timestamp($10::float8 / 1000), $11)
     on conflict (run_id, seq) do update set status = excluded.status, inputs = excluded.inputs,
       inputs_payload = excluded.inputs_payload, outputs = excluded.outputs, outputs_payload = excluded.outputs_payload,
       work_ms = excluded.work_ms, usage = excluded.usage, started_at = excluded.started_at, ended_at = excluded.ended_at,
       changed = nextval('changes')`,
    [
      ...[runKey, taskId, stepName, run.status === 'failed' ? 'failed' : 'completed'],
      ...[inputs.text, inputs.payload, outputs.text, outputs.payload],
      ...[times.createdMs, times.completedMs, run.usage],
    ],
  )
}

const giveLabels = async (
  queries: Queries,
  runKey: string,
  { labels, author, recordedBy, replacing }: IngestedRun,
  most: number,
): Promise<void> => {
  const given = labels.map((label) => ({ runId: runKey, ...label, author, recordedBy, replacing }))
  const written = await writeLabels(queries, given, most)
  if (written.includes(undefined)) throw new AppError('invalid', `A run has at most ${most} labels`)
}

export const countRun = change(
  'count_ingested_run',
  `insert into run_counts (task_id, shard, total) values ($1, $2, $3)
     on conflict (task_id, shard) do update set total = run_counts.total + excluded.total`,
  (taskId: number, runs: number) => [taskId, otherShard(), runs],
)
