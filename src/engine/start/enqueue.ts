import { randomUUID } from 'node:crypto'
import { batched } from '../../lib/batch.ts'
import type { NewFile, NewRun } from '../../model/runs/new-run.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { identified } from '../../store/runs/changes.ts'
import { type Carry, RunExists } from '../engine.ts'
import { fileInput, inputRows, runInput } from '../journal/journal-columns.ts'
import { columns, fileValues, pushRow, runValues } from '../journal/journal-entry.ts'
import { TrajectoryIdTaken } from '../journal/journal-sender.ts'
import { countNewRuns, newRunColumns, newRunRows, newRunValues } from '../journal/journal-sql.ts'
import { enqueueLease } from '../leases/lease-queue.ts'
import { writeCarried } from './carry.ts'

/** Maximum runs of a collection in one lease when they arrive together: few enough that several processes get some. */
const runsPerLease = 32

const filesFrom = runInput.length + 3
const leasesFrom = filesFrom + fileInput.length

/** Writes leases, runs, their files and queue entries in one statement: all or nothing. */
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
  returning id, task_id),
${countNewRuns('$2::smallint')},
kept as (
  insert into files (path, collection_id, run_id, object, name, content_type, size, sha256)
  select u.path, u.collection_id, u.run_id, u.object, u.name, u.content_type, u.size, u.sha256
  from ${inputRows(filesFrom, fileInput)}
  where exists (select from new_runs n where n.id = u.run_id)
  on conflict (path) do nothing),
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
  for (const { run, files: rows } of arrivals) {
    pushRow(runs, runValues(run, leaseFor(run), 0))
    for (const file of rows) pushRow(files, fileValues(run.key, null, run.collectionId, file))
  }
  const values = [leases, shard, ...runs, ...files, collections, placements]
  const rows = await queries.rows<{ id: string }>('enqueue', enqueueStatement, values)
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

/** Which of these runs exist. */
export const presentRuns = async (database: Queries, keys: string[]): Promise<Set<string>> => {
  const rows = await database.rows<{ id: string }>('runs_present', 'select id from runs where id = any($1::text[])', [
    keys,
  ])
  return new Set(rows.map((row) => row.id))
}
