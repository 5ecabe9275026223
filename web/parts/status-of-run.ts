import type { CollectionRun } from '../../src/model/runs/collection-run.ts'
import type { StatusName } from '../ui/status.tsx'

/**
 * The state that people see: a run that waits for a person is not merely running, and one of which child runs failed is
 * not merely completed.
 */
export const statusOfRun = ({ status, waiting, children }: ShownRun): StatusName => {
  if (status === 'completed' && (children?.by_status.failed ?? 0) > 0) return 'partial'
  return (status === 'running' || status === 'pending') && waiting !== null && waiting.length > 0 ? 'waiting' : status
}

/** A list knows the child runs of a run; the run itself knows them by its steps. */
type ShownRun = Pick<CollectionRun, 'status' | 'waiting'> & Partial<Pick<CollectionRun, 'children'>>

/** Whether nothing happens to a run any more. */
export const hasEnded = ({ status }: Pick<CollectionRun, 'status'>): boolean =>
  status !== 'running' && status !== 'pending'

/** The name of whoever started or labelled something, without the kind of its key. */
export const personText = (author: string): string => author.replace(/^api-key:/, '')

/** Colour of the error of a run: that somebody cancelled it is no failure. */
export const errorColour = ({ status }: Pick<CollectionRun, 'status'>): string =>
  status === 'failed' ? 'text-bad' : 'text-muted'
