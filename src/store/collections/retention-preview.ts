import type { CollectionSettings } from '../../model/collections/collection-settings.ts'
import type { Queries } from '../database/database.ts'
import { bigint, moment, queryRow, type Row } from '../database/table.ts'
import { type ExpiredRun, expiredBatches } from './expired-runs.ts'
import { retentionOfTasks, tasksEverOf } from './retention-rules.ts'
import { runBytes } from './usage.ts'

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

export interface RetentionPreview {
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
