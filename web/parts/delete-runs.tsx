import type { CollectionRun } from '../../src/model/runs/collection-run.ts'
import { type BulkRuns, bulkActionText, runBulkAction } from '../data/bulk-action.ts'
import { showToast } from '../ui/toast.tsx'
import { Confirm, Lost } from './form-dialog.tsx'
import { hasEnded } from './status-of-run.ts'

/** From so many runs on their number has to be typed. */
const manyRuns = 100

interface DeleteRunsProps {
  collection: string
  /** Those that are known: all, or the loaded ones of a filter. */
  runs: readonly Pick<CollectionRun, 'status' | 'trajectory_id' | 'children'>[]
  /** Where it is about all runs that fit. */
  filter?: Extract<BulkRuns, { filter: unknown }>['filter'] | undefined
  onDone: () => void
  onClose: () => void
}

/** Deletes runs, after it has said what is lost. */
export const DeleteRuns = ({ collection, runs, filter, onDone, onClose }: DeleteRunsProps) => {
  const ended = runs.filter(hasEnded)
  const open = runs.length - ended.length
  const below = ended.reduce((sum, { children }) => sum + (children?.total ?? 0), 0)
  const all = ended.length + below
  const typed = filter ? 'all that fit' : all >= manyRuns ? String(all) : undefined
  const work = async () => {
    const about = filter ? { filter } : { ids: ended.map((run) => run.trajectory_id) }
    const action = await runBulkAction(collection, about, { action: 'delete' }, () => {})
    showToast({ text: bulkActionText(action), isBad: action.failed > 0 })
  }
  return (
    <Confirm
      title={
        filter ? 'Delete all runs that fit?' : ended.length === 1 ? 'Delete this run?' : `Delete ${ended.length} runs?`
      }
      action={ended.length === 1 && !filter ? 'Delete it' : 'Delete them'}
      typed={typed}
      isLoading={!filter && ended.length === 0}
      work={work}
      onDone={onDone}
      onClose={onClose}
    >
      <p>This is deleted for ever:</p>
      {filter ? (
        <p>All runs that fit the filters of the list, at most 10,000, and the runs that they started.</p>
      ) : (
        <Lost
          of={[
            [ended.length, 'run with its values, log and files', 'runs with their values, logs and files'],
            [below, 'run that it started', 'runs that they started'],
          ]}
        />
      )}
      {open > 0 && (
        <p className="text-muted">
          {open === 1 ? 'One selected run is open and stays' : `${open} selected runs are open and stay`}: cancel first
          what is to be deleted.
        </p>
      )}
      <p className="text-muted">What they cost stays in the statistics of money spent; numbers of runs go down.</p>
    </Confirm>
  )
}
