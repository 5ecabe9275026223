import { pause } from '../../lib/time.ts'
import { type CollectionSettings, readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { Database, Queries } from '../database/database.ts'
import { bigint, moment, query, queryRow, type Row, text } from '../database/table.ts'
import type { RemovalFailed } from '../objects/removal.ts'
import {
  type ExpiredRun,
  expiredBatches,
  hasRules,
  isWithoutOpen,
  type RetentionDeps,
  removeEndedRuns,
  retentionOfTasks,
  type TaskRetention,
  tasksEverOf,
} from './expired-runs.ts'
import { runBytes } from './quota.ts'

/** Runs of one task that retention would delete now. */
export interface ExpiredOfTask {
  task: string
  runs: number
  bytes: number
  reasons: Record<ExpiredRun['reason'], number>
  /** Creation of the oldest and the newest of them. */
  oldest: Date
  newest: Date
}

interface RetentionPreview {
  tasks: ExpiredOfTask[]
  /** Whether everything was counted; otherwise there are more. */
  isComplete: boolean
}

const atOnce = 500

const sizes = { bytes: bigint, oldest: moment, newest: moment }
type Sizes = Row<typeof sizes>

const sizesOf = queryRow(
  'sizes_of_expired',
  sizes,
  `select coalesce(sum(${runBytes}), 0)::bigint as bytes, min(created_at) as oldest, max(created_at) as newest
   from runs r where id = any($1)`,
  (ids: readonly string[]) => [ids],
)

const noReasons = (): ExpiredOfTask['reasons'] => ({ days: 0, runs: 0, bytes: 0, label: 0 })

/** Counts what retention would delete under these settings, up to `most` runs, and deletes nothing. */
export const previewRetention = async (
  queries: Queries,
  collectionId: number,
  settings: Partial<CollectionSettings>,
  most: number,
  /** Aborts when nobody waits any more: adding up the sizes of many runs takes long. */
  signal?: AbortSignal,
): Promise<RetentionPreview> => {
  const tasks: ExpiredOfTask[] = []
  let left = most
  for (const rule of retentionOfTasks(settings, await tasksEverOf(queries, collectionId))) {
    const seen = new Set<string>()
    const reasons = noReasons()
    const sizes: Sizes[] = []
    for await (const batch of expiredBatches(queries, rule, atOnce, signal)) {
      const fresh = batch.filter(({ id }) => !seen.has(id)).slice(0, left)
      for (const { id, reason } of fresh) {
        seen.add(id)
        reasons[reason] += 1
      }
      left -= fresh.length
      if (fresh.length > 0) {
        sizes.push(
          await sizesOf(
            queries,
            fresh.map(({ id }) => id),
          ),
        )
      }
      if (left === 0) break
    }
    if (seen.size > 0) tasks.push({ task: rule.task, runs: seen.size, reasons, ...sum(sizes) })
    if (left === 0 || signal?.aborted) return { tasks, isComplete: false }
  }
  return { tasks, isComplete: true }
}

const sum = (sizes: readonly Sizes[]): Sizes => ({
  bytes: sizes.reduce((all, { bytes }) => all + bytes, 0),
  oldest: new Date(Math.min(...sizes.map(({ oldest }) => oldest.getTime()))),
  newest: new Date(Math.max(...sizes.map(({ newest }) => newest.getTime()))),
})

interface Deps extends RetentionDeps {
  signal: AbortSignal | undefined
}

const runsAtOnce = 500
const betweenBatchesMs = 20
/** Maximum runs deleted of one collection in one pass; the rest goes in the next. */
const mostPerLook = 20_000

/**
 * Finds runs that ended more than `days` ago and have no open parent or child (these still read them). A run never ends
 * before it is created, so the list index finds them by `created_at`. Those in `kept` are left out.
 */
const oldRuns = query(
  'runs_past_retention',
  { id: text },
  `select r.id from (select id from tasks where collection_id = $1
       union select task_id from former_tasks where collection_id = $1) t
     cross join lateral (select id from runs r where task_id = t.id and created_at < now() - $2 * interval '1 day'
       and ended_at < now() - $2 * interval '1 day'
       and ${isWithoutOpen}
       and r.id <> all($4::text[])
       order by created_at limit $3) r
   limit $3`,
  (collectionId: number, days: number, kept: readonly string[]) => [collectionId, days, runsAtOnce, kept],
  (rows) => rows.map((row) => row.id).sort(),
)

/** Deletes runs of a collection that are too old. */
const removeByAge = async (
  database: Database,
  { id, days, objects, signal }: { id: number; days: number } & Deps,
): Promise<RemovalFailed | undefined> => {
  let failure: RemovalFailed | undefined
  const kept: string[] = []
  for (let removed = 0; removed < mostPerLook && !signal?.aborted; removed += runsAtOnce) {
    const runs = await oldRuns(database, id, days, kept)
    if (runs.length === 0) break
    const files = await removeEndedRuns(database, id, runs, objects)
    failure ??= files.failure
    kept.push(...files.kept)
  }
  return failure
}

/** Deletes runs of a collection that its rules do not keep, task by task. `isDone`: no further run is due now. */
const removeByRules = async (
  database: Database,
  { id, rules, objects, signal }: { id: number; rules: TaskRetention[] } & Deps,
): Promise<{ isDone: boolean; failure?: RemovalFailed | undefined }> => {
  let failure: RemovalFailed | undefined
  let removed = 0
  for (const rule of rules) {
    for await (const batch of expiredBatches(database, rule, runsAtOnce, signal)) {
      const runs = batch.map((run) => run.id)
      const files = await removeEndedRuns(database, id, runs, objects)
      failure ??= files.failure
      removed += runs.length
      if (removed >= mostPerLook) return { isDone: false, failure } // other chores wait for this one
      await pause(betweenBatchesMs, signal)
    }
  }
  return { isDone: !signal?.aborted, failure }
}

/** Says which collections with more rules than an age are to be looked at: such a look reads much. */
interface RetentionLooks {
  isDue(collectionId: number, settings: string): boolean
  done(collectionId: number, settings: string): void
}

const removeOfCollection = async (
  database: Database,
  { id, settings, looks, ...deps }: { id: number; settings: string; looks: RetentionLooks } & Deps,
): Promise<RemovalFailed | undefined> => {
  const read: Partial<CollectionSettings> = readCollectionSettings(settings)
  const days = read.retention_days
  if (!hasRules(read)) return days ? removeByAge(database, { id, days, ...deps }) : undefined
  if (!looks.isDue(id, settings)) return undefined
  const rules = retentionOfTasks(read, await tasksEverOf(database, id))
  const { isDone, failure } = await removeByRules(database, { id, rules, ...deps })
  if (isDone) looks.done(id, settings)
  return failure
}

const collectionsWithSettings = query(
  'collections_with_settings',
  { id: bigint, settings: text },
  'select id, settings from collections where settings is not null',
)

const always: RetentionLooks = { isDue: () => true, done: () => {} }

/**
 * Deletes the runs that the retention settings of their collections do not keep. Keeps runs whose files cannot be removed,
 * deletes all others, then throws the reason.
 */
export const removeOldRuns = async (
  database: Database,
  { objects }: RetentionDeps,
  signal?: AbortSignal,
  looks: RetentionLooks = always,
): Promise<void> => {
  let failure: RemovalFailed | undefined
  for (const { id, settings } of await collectionsWithSettings(database)) {
    const failed = await removeOfCollection(database, { id, settings, looks, objects, signal })
    failure ??= failed
  }
  if (failure) throw failure
}

const lookAgainMs = 15 * 60_000

/** Makes collections with rules due every quarter of an hour, and when their settings were changed. */
export const makeRetentionLooks = (): RetentionLooks => {
  const last = new Map<number, { settings: string; nextMs: number }>()
  return {
    isDue(id, settings) {
      const look = last.get(id)
      return look?.settings !== settings || performance.now() >= look.nextMs
    },
    done: (id, settings) => void last.set(id, { settings, nextMs: performance.now() + lookAgainMs }),
  }
}
