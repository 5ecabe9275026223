import type { z } from 'zod'
import { pause } from '../../src/lib/time.ts'
import type { BulkAction, newBulkActionSchema } from '../../src/model/runs/bulk-action.ts'
import { api } from './api.ts'

const askAgainMs = 400

/** Waits until an action on many runs has ended; `onProgress` is told how far it is. */
const untilEnded = async (collection: string, begun: BulkAction, onProgress: (action: BulkAction) => void) => {
  let action = begun
  while (action.state === 'running') {
    onProgress(action)
    await pause(askAgainMs)
    action = await api.getBulkAction({ params: { collection, bulk_id: action.bulk_id } })
  }
  return action
}

/** What is to be done with each run. */
export type BulkChange = Omit<z.input<typeof newBulkActionSchema>, 'ids' | 'filter'>

type NewAction = z.input<typeof newBulkActionSchema>

/** Which runs an action is about: those named, or all that fit a list now. */
export type BulkRuns = Required<Pick<NewAction, 'ids'>> | Required<Pick<NewAction, 'filter'>>

/** Does something with many runs, and gives the action once it has ended. */
export const runBulkAction = async (
  collection: string,
  runs: BulkRuns,
  change: BulkChange,
  onProgress: (action: BulkAction) => void,
): Promise<BulkAction> => {
  const begun = await api.startBulkAction({ params: { collection }, body: { ...change, ...runs } })
  return untilEnded(collection, begun, onProgress)
}

/** Takes the labels back that an action has set or removed. */
export const undoBulkAction = async (collection: string, action: BulkAction): Promise<BulkAction> => {
  const begun = await api.undoBulkAction({ params: { collection, bulk_id: action.bulk_id } })
  return untilEnded(collection, begun, () => {})
}

const verbs: Record<BulkAction['action'], string> = {
  label: 'Labelled',
  unlabel: 'Took the label from',
  cancel: 'Cancelled',
  rerun: 'Started again',
  delete: 'Deleted',
  undo: 'Took back',
}

const runsText = (count: number): string => (count === 1 ? '1 run' : `${count.toLocaleString('en-US')} runs`)

/** What an action has done, in a sentence. */
export const bulkActionText = ({ action, done, skipped, failed, errors }: BulkAction): string => {
  const parts = [
    `${verbs[action]} ${runsText(done)}`,
    skipped > 0 ? `${skipped} needed no change` : '',
    failed > 0 ? `${failed} failed: ${errors[0]?.error ?? 'see the action'}` : '',
  ]
  return parts.filter((part) => part !== '').join('; ')
}
