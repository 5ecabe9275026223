import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Suspense, useId, useState } from 'react'
import type { CollectionRun } from '../../../../src/model/runs/collection-run.ts'
import { api } from '../../../data/api.ts'
import {
  type BulkChange,
  type BulkRuns,
  bulkActionText,
  runBulkAction,
  undoBulkAction,
} from '../../../data/bulk-action.ts'
import { keys } from '../../../data/keys.ts'
import { searchText } from '../../../data/search-text.ts'
import { lazyPart } from '../../../data/server-away.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Confirm, FormDialog } from '../../../parts/form-dialog.tsx'
import { PageLink } from '../../../parts/page-link.tsx'
import { errorText } from '../../../parts/problem.tsx'
import { hasEnded } from '../../../parts/status-of-run.ts'
import { Button, buttonClass } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { TextField } from '../../../ui/field.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { useKeys } from '../../../ui/keys.ts'
import { showToast } from '../../../ui/toast.tsx'

/** Asks which version of the workflow runs again. */
const RerunChoice = ({ onChoose }: { onChoose: (version: 'same' | 'current') => void }) => (
  <div className="flex flex-col gap-4">
    <p className="text-muted">Each run begins anew with its own parameters. The recorded runs stay as they are.</p>
    <div className="flex flex-wrap gap-2">
      <Button look="main" onClick={() => onChoose('same')}>
        With the version that each has run
      </Button>
      <Button onClick={() => onChoose('current')}>With the current version</Button>
    </div>
  </div>
)

interface AddLabelProps {
  title: string
  collection: string
  onAdd: (key: string, value: string) => void
  onClose: () => void
}

/** Asks for a label, and suggests the keys and values that the collection has. */
const AddLabel = ({ title, collection, onAdd, onClose }: AddLabelProps) => {
  const id = useId()
  const [key, setKey] = useState('')
  const [value, setValue] = useState('')
  const known = useQuery({
    queryKey: keys.labels(collection),
    queryFn: ({ signal }) => api.listLabelKeys({ params: { collection }, signal }),
    staleTime: 60_000,
  }).data
  const values = known?.keys.find((one) => one.key === key)?.values ?? []
  return (
    <FormDialog
      title={title}
      action="Set the label"
      isReady={key.trim() !== ''}
      work={async () => void onAdd(key.trim(), value.trim() || 'true')}
      onClose={onClose}
    >
      <TextField
        label="Label"
        list={`${id}-keys`}
        maxLength={200}
        placeholder="reviewed"
        value={key}
        onChange={(event) => setKey(event.target.value)}
      />
      <TextField
        label="Value"
        list={`${id}-values`}
        placeholder="true"
        value={value}
        onChange={(event) => setValue(event.target.value)}
      />
      <datalist id={`${id}-keys`}>
        {known?.keys.map((one) => (
          <option key={one.key} value={one.key} />
        ))}
      </datalist>
      <datalist id={`${id}-values`}>
        {values.map((one) => (
          <option key={one.value} value={one.value} />
        ))}
      </datalist>
    </FormDialog>
  )
}

/** It comes when runs are to be deleted. */
const DeleteRuns = lazyPart(async () => ({ default: (await import('../../../parts/delete-runs.tsx')).DeleteRuns }))

interface BulkBarProps {
  collection: string
  /** The selected runs. */
  runs: CollectionRun[]
  /** The filter of the list, where all its rows are selected and it has more than these. */
  filter: BulkFilter | undefined
  /** These are to be selected no longer. */
  onDone: (runs: readonly CollectionRun[]) => void
}

type BulkFilter = Extract<BulkRuns, { filter: unknown }>['filter']

/** How many runs can be compared at once. */
const mostCompared = 8

/** What can be done with the selected runs at once. */
export const BulkBar = ({ collection, runs, filter, onDone }: BulkBarProps) => {
  const client = useQueryClient()
  const mayWrite = useMayWrite()
  const [asks, setAsks] = useState<'label' | 'rerun' | 'cancel' | 'delete'>()
  const [progress, setProgress] = useState<string>()
  const [isWhole, setWhole] = useState(false)
  const whole = isWhole ? filter : undefined
  const open = runs.filter((run) => !hasEnded(run))

  const act = async (chosen: CollectionRun[], change: BulkChange) => {
    setAsks(undefined)
    setProgress('Working…')
    const about = whole ? { filter: whole } : { ids: chosen.map((run) => run.trajectory_id) }
    try {
      const action = await runBulkAction(collection, about, change, ({ done, total }) =>
        setProgress(total === null ? 'Working…' : `${done} of ${total}…`),
      )
      void client.invalidateQueries({ queryKey: keys.labels(collection) })
      const isUndone = change.action === 'label' || change.action === 'unlabel'
      const undo = { text: 'Undo', run: () => void undoBulkAction(collection, action).catch(showProblem) }
      showToast({
        text: bulkActionText(action),
        isBad: action.failed > 0,
        ...(isUndone && action.done > 0 ? { action: undo } : {}),
      })
      // Whoever has selected other rows meanwhile keeps them.
      onDone(whole ? runs : chosen)
    } catch (error) {
      showProblem(error)
    } finally {
      setProgress(undefined)
    }
  }
  useKeys('Selected runs', [{ keys: 'l', does: 'Label', run: () => setAsks('label') }])
  const close = () => setAsks(undefined)
  return (
    <div className="flex shrink-0 flex-wrap items-center gap-2 border-line border-t bg-raised px-4 py-2">
      <span aria-live="polite" className="mr-2 font-medium">
        {progress ?? (whole ? 'All that fit, at most 10,000' : `${runs.length} selected`)}
      </span>
      {mayWrite && filter && !isWhole && (
        <Button look="quiet" onClick={() => setWhole(true)}>
          Select all that fit
        </Button>
      )}
      {mayWrite && (
        <>
          <Button icon="label" disabled={progress !== undefined} onClick={() => setAsks('label')}>
            Label…
          </Button>
          {(open.length > 0 || whole) && (
            <Button icon="stop" disabled={progress !== undefined} onClick={() => setAsks('cancel')}>
              Cancel {whole ? 'those that run' : open.length}
            </Button>
          )}
          <Button icon="again" disabled={progress !== undefined} onClick={() => setAsks('rerun')}>
            Re-run…
          </Button>
          {(open.length < runs.length || whole) && (
            <Button icon="bin" disabled={progress !== undefined} onClick={() => setAsks('delete')}>
              Delete…
            </Button>
          )}
        </>
      )}
      {!whole && runs.length >= 2 && runs.length <= mostCompared && (
        <PageLink href={`/-/compare${searchText({ run: runs.map(nameOf) })}`} className={buttonClass()}>
          <Icon name="compare" /> Compare
        </PageLink>
      )}
      <span className="flex-1" />
      <Button look="quiet" onClick={() => onDone(runs)}>
        Select none
      </Button>
      {asks === 'label' && (
        <AddLabel
          title={`Label ${count(runs, whole)}`}
          collection={collection}
          onAdd={(key, value) => act(runs, { action: 'label', label: { key, value } })}
          onClose={close}
        />
      )}
      {asks === 'cancel' && (
        <Confirm
          title={`Cancel ${count(open, whole)}?`}
          action={`Cancel ${count(open, whole)}`}
          cancel="Let them run"
          work={async () => void act(open, { action: 'cancel' })}
          onClose={close}
        >
          <p>Steps that have ended stay recorded. What is being executed now is stopped.</p>
        </Confirm>
      )}
      <Suspense>
        {asks === 'delete' && (
          <DeleteRuns
            collection={collection}
            runs={runs}
            filter={whole}
            onDone={() => {
              onDone(runs)
              void client.invalidateQueries({ queryKey: keys.runs(collection) })
            }}
            onClose={close}
          />
        )}
      </Suspense>
      <Dialog title={`Run ${count(runs, whole)} again`} isOpen={asks === 'rerun'} onClose={close}>
        <RerunChoice onChoose={(version) => void act(runs, { action: 'rerun', rerun: { version } })} />
      </Dialog>
    </div>
  )
}

const nameOf = ({ collection, task, trajectory_id: id }: CollectionRun): string => `${collection}/${task}/${id}`

const count = (runs: CollectionRun[], whole: unknown): string =>
  whole ? 'all runs that fit' : runs.length === 1 ? '1 run' : `${runs.length} runs`

const showProblem = (error: unknown): void => showToast({ text: errorText(error), isBad: true })
