import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { AppError } from '../../../../src/lib/errors.ts'
import { apiCall } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { errorText } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { TextField } from '../../../ui/field.tsx'
import { keysText } from '../../../ui/keys.ts'
import { showToast } from '../../../ui/toast.tsx'
import { type ReadTask, readTask, type TaskPlaceProps, taskOfAnswer } from '../use-task.ts'

interface SaveBarProps {
  place: TaskPlaceProps
  base: ReadTask
  text: string
  isChanged: boolean
  isBroken: boolean
  mayWrite: boolean
  onSaved: (saved: ReadTask) => void
  onReset: (latest: ReadTask) => void
  /** Starts a run of what is saved. */
  onRun?: () => void
  isStarting?: boolean
  /** Stands before the buttons while something is changed. */
  beside?: ReactNode
  /** Stands beside the buttons once something was saved. */
  next?: ReactNode
}

/** The answer is the task as this save left it: a later read may already be of somebody else's. */
const save = async ({ collection, task }: TaskPlaceProps, text: string, note: string, etag: string | null) => {
  const answer = await apiCall('updateTask', {
    params: { collection, task },
    headers: etag === null ? {} : { 'if-match': etag },
    bodyText: `{"workflow":${text}${note === '' ? '' : `,"note":${JSON.stringify(note)}`}}`,
    asResponse: true,
  })
  return taskOfAnswer(answer as Response)
}

/** Saves the workflow with a note, and says so when somebody else was faster. */
export const SaveBar = (props: SaveBarProps) => {
  const { place, base, text, isChanged, isBroken, mayWrite, onSaved, onReset, onRun, isStarting = false } = props
  const { beside, next } = props
  const queries = useQueryClient()
  const [note, setNote] = useState('')
  const [isLate, setLate] = useState(false)
  const [hasSaved, setSaved] = useState(false)
  const saving = useMutation({
    mutationFn: ({ etag, note: sent }: { etag: string | null; note: string }) => save(place, text, sent.trim(), etag),
    onSuccess: async (saved, { note: sent }) => {
      const queryKey = keys.task(place.collection, place.task)
      await queries.cancelQueries({ queryKey }) // a read that began before would bring the old text back
      queries.setQueryData(queryKey, saved)
      setNote((was) => (was === sent ? '' : was))
      setLate(false)
      setSaved(true)
      onSaved(saved)
      showToast({ text: 'Saved as a new version' })
    },
    onError: (error) => {
      if (error instanceof AppError && error.code === 'precondition_failed') setLate(true)
      else showToast({ text: errorText(error), isBad: true })
    },
  })
  const mayNotSave = !isChanged || isBroken || saving.isPending
  if (!mayWrite) return <p className="shrink-0 border-line border-b px-4 py-2 text-muted">Your key may read only.</p>
  return (
    <div className="flex shrink-0 flex-wrap items-center gap-2 border-line border-b px-4 py-2">
      <span className="mr-auto text-muted">{isBroken ? 'Not JSON yet' : isChanged ? 'Changed' : 'Saved'}</span>
      <TextField
        label="What is different, and why"
        hidesLabel
        placeholder="What is different, and why"
        boxClass="w-72 max-w-full"
        maxLength={2000}
        value={note}
        onChange={(event) => setNote(event.target.value)}
      />
      <Button disabled={!isChanged} onClick={() => onReset(base)}>
        Undo all
      </Button>
      {isChanged && !isBroken && beside}
      <Button
        id="save-workflow"
        look={onRun ? 'plain' : 'main'}
        title={`Save ${keysText('mod+s')}`}
        disabled={mayNotSave}
        onClick={() => saving.mutate({ etag: base.etag, note })}
      >
        Save
      </Button>
      {hasSaved && !isChanged && next}
      {onRun && (
        <Button
          id="run-workflow"
          look="main"
          icon="play"
          title={`${isChanged ? 'Save and run' : 'Run'} ${keysText('mod+enter')}`}
          disabled={isBroken || saving.isPending || isStarting}
          onClick={() => (isChanged ? saving.mutate({ etag: base.etag, note }, { onSuccess: onRun }) : onRun())}
        >
          {isStarting ? 'Starting …' : isChanged ? 'Save and run' : 'Run'}
        </Button>
      )}
      <Dialog
        title="Somebody else has saved this task meanwhile"
        isOpen={isLate}
        onClose={() => setLate(false)}
        actions={
          <>
            <Button
              onClick={() =>
                void readTask(place.collection, place.task).then(
                  (theirs) => {
                    setLate(false)
                    onReset(theirs)
                  },
                  (error: unknown) => showToast({ text: errorText(error), isBad: true }),
                )
              }
            >
              Drop mine, show theirs
            </Button>
            <Button look="main" disabled={saving.isPending} onClick={() => saving.mutate({ etag: null, note })}>
              Save mine as the next version
            </Button>
          </>
        }
      >
        <p>
          Your text was not saved. If you save it now, it becomes the next version; theirs stays in the list of
          versions. To look at theirs first, copy your text, or open Versions in another tab.
        </p>
      </Dialog>
    </div>
  )
}
