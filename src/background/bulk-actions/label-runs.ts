import type { LabelChange, UnlabelChange } from '../../model/runs/bulk-action.ts'
import type { Queries } from '../../store/database/database.ts'
import type { BulkActionRow } from '../../store/runs/bulk/bulk-actions.ts'
import type { BulkResult, BulkRun } from '../../store/runs/bulk/bulk-parts.ts'
import { type FormerLabel, labelsOfKey } from '../../store/runs/bulk/labels-of-key.ts'
import type { LabelChanges } from '../../store/runs/label-changes.ts'

export interface LabelDeps {
  database: Queries
  labels: LabelChanges
  mostLabels: number
}

type Author = Pick<BulkActionRow, 'author' | 'recorded_by'>

const settled = (n: number, isDone: boolean): BulkResult => ({ n, outcome: isDone ? 'done' : 'skipped' })

/** Sets a label on runs; a run that has it already, set by the same author, is skipped. */
export const labelRuns = (
  { labels, mostLabels }: LabelDeps,
  { key, value }: LabelChange,
  { author, recorded_by }: Author,
  runs: readonly BulkRun[],
): Promise<BulkResult[]> =>
  Promise.all(
    runs.map(async ({ n, run_id, labels: before }): Promise<BulkResult> => {
      if (formerOf(before).some((label) => label.value === value)) return settled(n, false)
      const set = await labels.set({ runId: run_id, key, value, author, recordedBy: recorded_by })
      return set ? settled(n, true) : { n, outcome: 'failed', error: `A run has at most ${mostLabels} labels` }
    }),
  )

/** Removes a key from runs, by whomever it was set. */
export const unlabelRuns = (
  { labels }: LabelDeps,
  { key }: UnlabelChange,
  runs: readonly BulkRun[],
): Promise<BulkResult[]> =>
  Promise.all(
    runs.map(async ({ n, run_id, labels: before }) => {
      if (before === null) return settled(n, false)
      await labels.remove({ runId: run_id, key, author: undefined })
      return settled(n, true)
    }),
  )

const formerOf = (text: string | null): FormerLabel[] => (text === null ? [] : (JSON.parse(text) as FormerLabel[]))

/** Restores labels as they were before an action. Runs whose labels of the key were changed since are skipped. */
export const restoreLabels = async (
  { database, labels }: LabelDeps,
  undone: Pick<BulkActionRow, 'action' | 'change' | 'author'>,
  runs: readonly BulkRun[],
): Promise<BulkResult[]> => {
  const { key, value } = JSON.parse(undone.change) as LabelChange
  const author = undone.action === 'label' ? undone.author : undefined
  const now = await labelsOfKey(database, { runKeys: runs.map((run) => run.run_id), key, author })
  return Promise.all(
    runs.map(async ({ n, run_id, labels: before }) => {
      const current = now.get(run_id) ?? []
      const isAsLeft = undone.action === 'label' ? current[0]?.value === value : current.length === 0
      if (!isAsLeft) return settled(n, false)
      const former = formerOf(before)
      for (const one of former) {
        await labels.set({ runId: run_id, key, ...one, recordedBy: one.recorded_by ?? 'not known' })
      }
      if (former.length === 0) await labels.remove({ runId: run_id, key, author })
      return settled(n, true)
    }),
  )
}
