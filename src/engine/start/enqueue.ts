import { randomUUID } from 'node:crypto'
import { batched } from '../../lib/batch.ts'
import { AppError } from '../../lib/errors.ts'
import type { NewFile, NewRun } from '../../model/runs/new-run.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { asGiven, query, text } from '../../store/database/table.ts'
import { identified } from '../../store/runs/changes.ts'
import { labelledRun, labelNewRuns } from '../../store/runs/labels.ts'
import { type Carry, RunExists } from '../engine.ts'
import { fileInput, inputRows, labelInput, labelRows, runInput } from '../journal/journal-columns.ts'
import { columns, fileValues, pushLabels, pushRow, runValues } from '../journal/journal-entry.ts'
import { TrajectoryIdTaken } from '../journal/journal-sender.ts'
import { countNewRuns, newRunColumns, newRunRows, newRunValues } from '../journal/journal-sql.ts'
import { enqueueLease } from '../leases/lease-queue.ts'

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
const writeCarried = async (
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

/** Maximum runs of a collection in one lease when they arrive together: few enough that several processes get some. */
const runsPerLease = 32

const filesFrom = runInput.length + 3
const leasesFrom = filesFrom + fileInput.length

const labelsFrom = leasesFrom + 2

/** Writes leases, runs, their files, labels and queue entries in one statement: all or nothing. */
const enqueueStatement = `
with ${identified},
new_leases as (
  insert into leases (id, epoch, owner, runs_on)
  select u.id, 0, '', u.runs_on from unnest($1::text[], $${leasesFrom + 1}::text[]) u(id, runs_on)
  on conflict do nothing returning id, runs_on),
new_runs as (
  insert into runs (${newRunColumns}, status, created_at)
  select ${newRunValues}, 'pending', to_timestamp(u.created / 1000)
  from ${newRunRows(3)}, identified
  on conflict do nothing
  returning id, task_id, ${labelledRun}),
${countNewRuns('$2::smallint')},
kept as (
  insert into files (path, collection_id, run_id, object, name, content_type, size, sha256)
  select u.path, u.collection_id, u.run_id, u.object, u.name, u.content_type, u.size, u.sha256
  from ${inputRows(filesFrom, fileInput)}
  where exists (select from new_runs n where n.id = u.run_id)
  on conflict (path) do nothing),
${labelNewRuns(labelRows(labelsFrom))},
queued as (
  select count(${enqueueLease('id', 'u.collection', 'new_leases.runs_on')}) queued, pg_notify(channel('runs'), '')
  from new_leases join unnest($1::text[], $${leasesFrom}::bigint[]) u(id, collection) using (id))
select new_runs.id from new_runs, queued`

export interface QueuedRun {
  run: NewRun
  files: NewFile[]
}

/** Why an arrival was not queued; undefined when it was. */
type Refusal = RunExists | TrajectoryIdTaken | undefined

const insertQueued = query('enqueue', { id: text }, enqueueStatement, asGiven)

const enqueueAll = async (queries: Queries, shard: number, arrivals: QueuedRun[]): Promise<Refusal[]> => {
  const leases: string[] = []
  const collections: number[] = []
  const placements: (string | null)[] = []
  const open = new Map<string, { id: string; runs: number }>()
  const leaseFor = ({ collectionId, more }: NewRun): string => {
    const placement = more?.runs_on ?? null
    const alike = `${collectionId} ${placement}`
    let lease = open.get(alike)
    if (!lease || lease.runs === runsPerLease) {
      lease = { id: randomUUID(), runs: 0 }
      open.set(alike, lease)
      leases.push(lease.id)
      collections.push(collectionId)
      placements.push(placement)
    }
    lease.runs++
    return lease.id
  }
  const runs = columns(runInput.length)
  const files = columns(fileInput.length)
  const labels = columns(labelInput.length)
  for (const { run, files: rows } of arrivals) {
    pushRow(runs, runValues(run, leaseFor(run), 0))
    pushLabels(labels, run)
    for (const file of rows) pushRow(files, fileValues(run.key, null, run.collectionId, file))
  }
  const values = [leases, shard, ...runs, ...files, collections, placements, ...labels]
  const rows = await insertQueued(queries, ...values)
  const inserted = new Set(rows.map((row) => row.id))
  const missing = arrivals.filter(({ run }) => !inserted.has(run.key)).map(({ run }) => run.key)
  const present = missing.length > 0 ? await presentRuns(queries, missing) : new Set<string>()
  return arrivals.map(({ run }) => {
    if (inserted.has(run.key)) return undefined
    return present.has(run.key) ? new RunExists(run.key) : new TrajectoryIdTaken(run.trajectoryId)
  })
}

/** Queues runs for any process with room. Arrivals during a statement share the next one. */
export const makeEnqueue = (database: Queries, shard: number): ((queued: QueuedRun) => Promise<void>) => {
  const enqueue = batched((arrivals: QueuedRun[]) => enqueueAll(database, shard, arrivals))
  return async (queued) => {
    const refusal = await enqueue(queued)
    if (refusal) throw refusal
  }
}

/** Queues a run that begins with carried results: its worker continues after them, as after a crash. */
export const enqueueCarrying = (database: Database, shard: number, queued: QueuedRun, carry: Carry): Promise<void> =>
  database.transaction(async (queries) => {
    const [refusal] = await enqueueAll(queries, shard, [queued])
    if (refusal) throw refusal
    await writeCarried(queries, queued.run, carry)
  })

const runsPresent = query(
  'runs_present',
  { id: text },
  'select id from runs where id = any($1::text[])',
  (keys: string[]) => [keys],
)

/** Which of these runs exist. */
export const presentRuns = async (database: Queries, keys: string[]): Promise<Set<string>> => {
  const rows = await runsPresent(database, keys)
  return new Set(rows.map((row) => row.id))
}
