import type { CollectionSettings } from '../../model/collections/collection-settings.ts'
import { type RetentionLabel, retentionLabel } from '../../model/collections/retention.ts'
import { bigint, query, text } from '../database/table.ts'

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
