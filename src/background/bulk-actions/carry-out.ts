import type { Engine } from '../../engine/engine.ts'
import type { LabelChange, UnlabelChange } from '../../model/runs/bulk-action.ts'
import type { Database } from '../../store/database/database.ts'
import {
  type BulkActionRow,
  findBulkAction,
  mayStillWrite,
  stopBulkAction,
} from '../../store/runs/bulk/bulk-actions.ts'
import {
  type BulkPart,
  type BulkResult,
  type BulkRun,
  noteBulkPart,
  notedRuns,
  openAmong,
  putOffBulkPart,
  settleBulkPart,
} from '../../store/runs/bulk/bulk-parts.ts'
import { labelsOfKey } from '../../store/runs/bulk/labels-of-key.ts'
import { choosePart } from './choose-runs.ts'
import { type DeleteRunsDeps, deleteRuns } from './delete-runs.ts'
import { type LabelDeps, labelRuns, restoreLabels, unlabelRuns } from './label-runs.ts'
import { type RerunRunsDeps, rerunRuns } from './rerun-runs.ts'

export interface BulkPartDeps extends LabelDeps, RerunRunsDeps, DeleteRunsDeps {
  database: Database
  engine: Pick<Engine, 'start' | 'requestEnd'>
}

/** How long a part waits for runs to end. Rows that the journal is writing are asked again meanwhile. */
const waitSeconds = 1
/** Milliseconds after which the rest of a part is tried, such as reruns for which the server had no room. */
const putOffMs = 1_000

const cancelRuns = async ({ database, engine }: BulkPartDeps, runs: readonly BulkRun[]): Promise<BulkResult[]> => {
  const open = new Set(
    await openAmong(
      database,
      runs.map((run) => run.run_id),
    ),
  )
  if (open.size > 0) await engine.requestEnd([...open], 'cancelled', waitSeconds)
  return runs.map(({ n, run_id }) => ({ n, outcome: open.has(run_id) ? 'done' : 'skipped' }))
}

const undoRuns = async (deps: BulkPartDeps, action: BulkActionRow, runs: readonly BulkRun[]): Promise<BulkResult[]> => {
  const undone = action.undo_of && (await findBulkAction(deps.database, action.collection_id, action.undo_of))
  if (!undone) return runs.map(({ n }) => ({ n, outcome: 'skipped' }))
  return restoreLabels(deps, undone, runs)
}

/** The work of each kind of action on the runs of a part. Repeating it changes nothing more. */
const kinds: Record<
  BulkActionRow['action'],
  (deps: BulkPartDeps, action: BulkActionRow, runs: readonly BulkRun[]) => Promise<BulkResult[]>
> = {
  label: (deps, action, runs) => labelRuns(deps, JSON.parse(action.change) as LabelChange, action, runs),
  unlabel: (deps, action, runs) => unlabelRuns(deps, JSON.parse(action.change) as UnlabelChange, runs),
  cancel: (deps, _, runs) => cancelRuns(deps, runs),
  rerun: rerunRuns,
  delete: deleteRuns,
  undo: undoRuns,
}

/** Labels of the key that an action changes, by run; an undo uses those that the undone action noted. */
const labelsBefore = async (
  { database }: BulkPartDeps,
  action: BulkActionRow,
  runs: readonly (Omit<BulkRun, 'labels'> & { labels?: string | null })[],
): Promise<BulkRun[]> => {
  if (action.action !== 'label' && action.action !== 'unlabel') {
    return runs.map((run) => ({ ...run, labels: run.labels ?? null }))
  }
  const { key } = JSON.parse(action.change) as UnlabelChange
  const author = action.action === 'label' ? action.author : undefined
  const found = await labelsOfKey(database, { runKeys: runs.map((run) => run.run_id), key, author })
  return runs.map((run) => {
    const labels = found.get(run.run_id)
    return { ...run, labels: labels ? JSON.stringify(labels) : null }
  })
}

/** The part that was noted before, or the next one, noted now. */
const partOf = async (deps: BulkPartDeps, action: BulkActionRow): Promise<{ part: BulkPart; runs: BulkRun[] }> => {
  const { database } = deps
  if (action.part === null) {
    const { runs: chosen, ...part } = await choosePart(database, action)
    await noteBulkPart(database, action, part, await labelsBefore(deps, action, chosen))
    return { part, runs: await notedRuns(database, action.id, action.taken, action.taken + part.taken) }
  }
  const part = JSON.parse(action.part) as BulkPart
  return { part, runs: await notedRuns(database, action.id, action.taken, action.taken + part.taken) }
}

/** Carries out the next part of a claimed action, or the one under way when its process died. */
export const carryOutPart = async (deps: BulkPartDeps, action: BulkActionRow): Promise<void> => {
  const { database } = deps
  if (!(await mayStillWrite(database, action))) {
    await stopBulkAction(database, action.id, 'The key that asked for it may no longer write here')
    return
  }
  const { part, runs } = await partOf(deps, action)
  const results = await kinds[action.action](deps, action, runs)
  if (results.length < runs.length) await putOffBulkPart(database, action, putOffMs)
  else await settleBulkPart(database, action, part, results)
}
