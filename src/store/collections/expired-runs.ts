import type { CollectionSettings } from '../../model/collections/collection-settings.ts'
import { type RetentionLabel, retentionLabel } from '../../model/collections/retention.ts'
import type { Database, Queries } from '../database/database.ts'
import { bigint, bool, change, oneOf, query, queryOne, queryRow, type Row, text } from '../database/table.ts'
import { type RemovalFailed, removeAll } from '../objects/removal.ts'
import { emptied, emptiedColumns, insist, labelCountsCte, removeEmptied } from '../runs/labels.ts'
import { removeStepEvents } from '../runs/step-events.ts'
import { countedName, endedDay, keepTotals, otherShard } from '../runs/totals.ts'
import { lostFilesUsage, lostUsage, runBytes } from './quota.ts'

/** When the runs of one task are deleted; null: that limit does not apply. */
export interface TaskRetention {
  taskId: number
  task: string
  days: number | null
  runs: number | null
  bytes: number | null
  /** Runs with one of these labels stay. */
  keep: RetentionLabel[]
  /** Runs with such a label go after fewer days. */
  labels: { label: RetentionLabel; days: number }[]
}

type RetentionSettings = Pick<Partial<CollectionSettings>, 'retention_days' | 'retention'>

/** Whether runs are deleted for anything but their age. */
export const hasRules = ({ retention }: RetentionSettings): boolean =>
  Boolean(retention && Object.keys(retention).length > 0)

/** The limits of each task; tasks without any are left out. */
export const retentionOfTasks = (
  { retention_days, retention }: RetentionSettings,
  tasks: readonly { id: number; name: string }[],
): TaskRetention[] => {
  const own = new Map(Object.entries(retention?.tasks ?? {}).map(([name, limits]) => [name.toLowerCase(), limits]))
  const keep = (retention?.keep_labels ?? []).map(retentionLabel)
  const labels = Object.entries(retention?.labels ?? {}).flatMap(([text, limit]) =>
    limit ? [{ label: retentionLabel(text), days: limit.days }] : [],
  )
  return tasks
    .map(({ id, name }) => {
      const limits = own.get(name.toLowerCase())
      return {
        taskId: id,
        task: name,
        days: limits?.days ?? retention_days ?? null,
        runs: limits?.runs ?? retention?.runs ?? null,
        bytes: limits?.bytes ?? retention?.bytes ?? null,
        keep,
        labels,
      }
    })
    .filter((rule) => rule.days !== null || rule.runs !== null || rule.bytes !== null || rule.labels.length > 0)
}

/** Lists the tasks of a collection, deleted ones included: their runs are still there. */
export const tasksEverOf = query(
  'tasks_ever',
  { id: bigint, name: text },
  `select id, name from tasks where collection_id = $1
   union all select task_id, name from former_tasks where collection_id = $1 order by 1`,
  (collectionId: number) => [collectionId],
)

/** The place of a run in the list of its task. `createdAt` is text, which keeps microseconds. */
const runPlace = { createdAt: text, number: bigint }
type RunPlace = Row<typeof runPlace>

/** Up to which run, oldest first, the runs of a task are too many, or too large. */
interface RetentionCutoffs {
  runs: RunPlace | undefined
  bytes: RunPlace | undefined
}

const expired = { ...runPlace, id: text, reason: oneOf(['days', 'runs', 'bytes', 'label']) }
export type ExpiredRun = Row<typeof expired>

/** SQL condition: no open run reads this one any more, neither its parent nor a child. */
export const isWithoutOpen = `not exists (select from runs p where p.id = r.parent_id and p.ended_at is null)
  and not exists (select from runs c where c.parent_id = r.id and c.ended_at is null)`

const place = `created_at::text as "createdAt", number`
const newestFirst = 'order by created_at desc, number desc'

/** Runs whose sizes one query adds up. */
const sizedAtOnce = 1_000

const placeBehind = queryOne(
  'retention_cutoff_runs',
  runPlace,
  `select ${place} from runs where task_id = $1 ${newestFirst} offset $2 limit 1`,
  (taskId: number, runs: number) => [taskId, runs],
)
const sizedRuns = query(
  'retention_sizes',
  { ...runPlace, bytes: bigint },
  `select r.created_at::text as "createdAt", r.number, ${runBytes} as bytes from (
     select * from runs where task_id = $1 and (created_at, number) < ($2::timestamptz, $3::bigint)
     ${newestFirst} limit ${sizedAtOnce}) r order by r.created_at desc, r.number desc`,
  (taskId: number, before?: RunPlace) => [taskId, before?.createdAt ?? 'infinity', before?.number ?? 0],
)

const cutoffOfBytes = async (
  queries: Queries,
  { taskId, bytes }: TaskRetention,
  signal: AbortSignal | undefined,
): Promise<RunPlace | undefined> => {
  if (bytes === null) return undefined
  let total = 0
  for (let before: RunPlace | undefined; !signal?.aborted; ) {
    const page: (RunPlace & { bytes: number })[] = await sizedRuns(queries, taskId, before)
    for (const run of page) {
      total += run.bytes
      if (total > bytes) return run
    }
    before = page.at(-1)
    if (page.length < sizedAtOnce) return undefined
  }
  return undefined
}

/** Finds where a task has too many runs. Each query looks at a bounded number of them, or at an index alone. */
const retentionCutoffs = async (
  queries: Queries,
  rule: TaskRetention,
  signal?: AbortSignal,
): Promise<RetentionCutoffs> => ({
  runs: rule.runs === null ? undefined : await placeBehind(queries, rule.taskId, rule.runs),
  bytes: await cutoffOfBytes(queries, rule, signal),
})

const isEnded = `r.ended_at is not null and ${isWithoutOpen}`

const hasLabelOf = (keys: string, values: string): string => `exists (
  select from labels k join unnest(${keys}::text[], ${values}::text[]) wanted(key, value)
    on k.key = wanted.key and (wanted.value is null or k.value = wanted.value) where k.run_id = r.id)`

const columnsOf = (labels: readonly RetentionLabel[]): [string[], (string | null)[]] => [
  labels.map(({ key }) => key),
  labels.map(({ value }) => value),
]

interface Page {
  after: RunPlace | undefined
  limit: number
}

/** Reads the runs of a task that are too old, too many or too large, oldest first, after a place. */
const tooMany = query(
  'expired_runs',
  expired,
  `select r.id, r.created_at::text as "createdAt", r.number,
     case when r.ended_at < now() - $2 * interval '1 day' then 'days'
       when (r.created_at, r.number) <= ($3::timestamptz, $4::bigint) then 'runs' else 'bytes' end as reason
   from runs r
   where r.task_id = $1 and (r.created_at, r.number) > ($7::timestamptz, $8::bigint)
     and r.created_at <= greatest($3, $5::timestamptz, now() - $2 * interval '1 day')
     and (r.ended_at < now() - $2 * interval '1 day' or (r.created_at, r.number) <= ($3, $4)
       or (r.created_at, r.number) <= ($5, $6::bigint))
     and ${isEnded} and not ${hasLabelOf('$9', '$10')}
   order by r.created_at, r.number limit $11`,
  (rule: TaskRetention, { runs, bytes }: RetentionCutoffs, { after, limit }: Page) => [
    ...[rule.taskId, rule.days, runs?.createdAt ?? null, runs?.number ?? null],
    ...[bytes?.createdAt ?? null, bytes?.number ?? null],
    ...[after?.createdAt ?? '-infinity', after?.number ?? 0, ...columnsOf(rule.keep), limit],
  ],
)
const expiredRuns = async (queries: Queries, rule: TaskRetention, cutoffs: RetentionCutoffs, page: Page) =>
  rule.days === null && !cutoffs.runs && !cutoffs.bytes ? [] : tooMany(queries, rule, cutoffs, page)

/** Reads the runs of a task that have a label and are older than it allows, oldest first, after a place. */
const labelled = (name: string, condition: string) =>
  query(
    name,
    expired,
    `select r.id, r.created_at::text as "createdAt", r.number, 'label' as reason
     from labels l join runs r on r.id = l.run_id
     where l.task_id = $1 and l.key = $2
       and ${condition}
       and (l.run_created_at, l.run_number) > ($5::timestamptz, $6::bigint)
       and l.run_created_at < now() - $4 * interval '1 day' and r.ended_at < now() - $4 * interval '1 day'
       and ${isEnded} and not ${hasLabelOf('$7', '$8')}
     order by l.run_created_at, l.run_number limit $9`,
    (rule: TaskRetention, { label, days }: TaskRetention['labels'][number], { after, limit }: Page) => [
      ...[rule.taskId, label.key, label.value, days],
      ...[after?.createdAt ?? '-infinity', after?.number ?? 0, ...columnsOf(rule.keep), limit],
    ],
  )
const expiredOfKey = labelled('expired_labelled_runs', '$3::text is null')
const expiredOfValue = labelled('expired_runs_of_value', 'left(l.value, 200) = left($3, 200) and l.value = $3')

/** Yields the expired runs of a task in batches. What is not deleted meanwhile is not yielded again. */
export async function* expiredBatches(
  queries: Queries,
  rule: TaskRetention,
  limit: number,
  signal?: AbortSignal,
): AsyncGenerator<ExpiredRun[]> {
  const cutoffs = await retentionCutoffs(queries, rule, signal)
  const finds = [
    (after: RunPlace | undefined) => expiredRuns(queries, rule, cutoffs, { after, limit }),
    ...rule.labels.map(
      (label) => (after: RunPlace | undefined) =>
        (label.label.value === null ? expiredOfKey : expiredOfValue)(queries, rule, label, { after, limit }),
    ),
  ]
  for (const find of finds) {
    for (let after: RunPlace | undefined; !signal?.aborted; ) {
      const batch: ExpiredRun[] = await find(after)
      if (batch.length > 0) yield [...new Map(batch.map((run) => [run.id, run])).values()]
      if (batch.length < limit) break
      after = batch.at(-1)
    }
  }
}

export interface RetentionDeps {
  objects: { remove(ids: string[]): Promise<void> }
}

const filesOf = query(
  'files_of_runs',
  { object: text, run_id: text },
  'select object, run_id from files where run_id = any($1)',
  (runs: string[]) => [runs],
)
const removeFileRows = change(
  'remove_files_of_runs',
  `with gone as (delete from files where run_id = any($1) and run_id <> all($2) returning collection_id, size),
   ${lostFilesUsage}
   select`,
  (runs: string[], kept: string[]) => [runs, kept],
)

/** Removes files of runs, bytes before rows. Returns the runs that keep files because bytes could not be removed. */
const removeFilesOf = async (
  database: Database,
  runs: string[],
  objects: RetentionDeps['objects'],
): Promise<{ kept: string[]; failure?: RemovalFailed }> => {
  const files = await filesOf(database, runs)
  if (files.length === 0) return { kept: [] }
  const failure = await removeAll(
    objects,
    files.map((file) => file.object),
  )
  const stuck = new Set(failure?.ids)
  const kept = [...new Set(files.filter(({ object }) => stuck.has(object)).map((file) => file.run_id))]
  await removeFileRows(database, runs, kept)
  return failure ? { kept, failure } : { kept }
}

const lockRuns = query(
  'lock_old_runs',
  {},
  'select from runs where id = any($1) order by id for update',
  (runs: string[]) => [runs],
)
const removeRows = change(
  'remove_old_runs',
  `with old as materialized (
     select id, task_id, status, created_at, ended_at, trajectory_id, split_part(name, '/', 2) task
     from runs where id = any($1)),
   noted as (
     insert into removed_runs (collection_id, runs)
     select c.id, (select json_agg(json_build_object('trajectory_id', trajectory_id, 'task', task))::text from old)
     from collections c where c.id = $3 and exists (select from old)),
   forgotten as (delete from removed_runs where removed_at < now() - interval '1 day'),
   uncounted as (
     insert into run_counts as c (task_id, shard, total)
     select task_id, $2::smallint, -count(*) from old group by task_id order by task_id
     on conflict (task_id, shard) do update set total = c.total + excluded.total),
   ended_runs as (
     select task_id, status collate "C" status, ${endedDay('ended_at')} "day", elapsed_ms(created_at, ended_at) ms,
       -1 sign from old),
   ended_steps as (
     select o.task_id, ${countedName('s')} step, s.seq, s.status = 'failed' failed,
       elapsed_ms(s.started_at, s.ended_at) ms, -1 sign
     from steps s join old o on o.id = s.run_id where s.ended_at is not null and s.origin is null and s.status <> 'skipped'),
   ${keepTotals('$2::smallint')},
   ${lostUsage},
   s as (delete from steps where run_id = any($1)), p as (delete from payloads where run_id = any($1)),
   m as (delete from run_spending where run_id = any($1)),
   e as (delete from step_events where run_id = any($1)), f as (delete from step_calls where run_id = any($1)),
   sp as (delete from spans where run_id = any($1)),
   q as (delete from webhook_queue where run_id = any($1)), a as (delete from webhook_attempts where run_id = any($1))
   delete from runs where id = any($1)`,
  (runs: string[], collectionId: number) => [runs, otherShard(), collectionId],
)
const removeLabels = queryRow(
  'remove_old_labels',
  emptiedColumns,
  `with gone as (delete from labels where run_id = any($1) returning task_id, collection_id, key, value),
   come as (select task_id, collection_id, key, value, now() as at from gone where false),
   ${labelCountsCte}
   select ${emptied}`,
  (runs: string[]) => [runs],
)

/** Deletes runs with everything that belongs to them, and subtracts them from their tasks' totals. */
const removeRuns = (database: Database, collectionId: number, runs: string[]): Promise<void> =>
  insist(database, async (queries) => {
    // The lock keeps labels out; the next statement sees labels that were set while this one waited.
    await lockRuns(queries, runs)
    await removeRows(queries, runs, collectionId)
    // Locks totals first, the same order as everywhere else.
    await removeEmptied(queries, await removeLabels(queries, runs))
  })

/** Tells which of some runs may be deleted: `ended`, or `open` where the run or one that reads it is. Others are gone. */
export const removableAmong = query(
  'removable_among',
  { id: text, free: bool },
  `select r.id, r.ended_at is not null and ${isWithoutOpen} as free from runs r where r.id = any($1::text[])`,
  (runs: readonly string[]) => [runs],
  (rows): ReadonlyMap<string, 'ended' | 'open'> => new Map(rows.map(({ id, free }) => [id, free ? 'ended' : 'open'])),
)

/** Finds ended runs that others started. */
export const endedChildrenOf = query(
  'ended_children_of',
  { id: text },
  `select c.id from unnest($1::text[]) p(id) cross join lateral (
     select id from runs where parent_id = p.id and ended_at is not null limit $2) c limit $2`,
  (parents: readonly string[], limit: number) => [parents, limit],
  (rows) => rows.map(({ id }) => id),
)

/** Deletes some ended runs with their files. Runs whose bytes cannot be removed stay: returned in `kept`. */
export const removeEndedRuns = async (
  database: Database,
  collectionId: number,
  runs: string[],
  objects: RetentionDeps['objects'],
): Promise<{ kept: string[]; failure?: RemovalFailed }> => {
  const files = await removeFilesOf(database, runs, objects)
  const stuck = new Set(files.kept)
  const free = runs.filter((run) => !stuck.has(run)).sort()
  await removeStepEvents(database, free)
  await removeRuns(database, collectionId, free)
  return files
}
