import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { AppError } from '../../../../src/lib/errors.ts'
import { api } from '../../../data/api.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { Confirm } from '../confirm.tsx'
import { type ReadSettings, settingsKey } from '../limits/settings-query.ts'
import { LabelRules } from './label-rules.tsx'
import { LimitFields } from './limit-fields.tsx'
import { PreviewTable, runsText } from './preview.tsx'
import { changeOfRules, isFaulty, limitFaults, type RetentionEntry, retentionEntry } from './retention-entry.ts'
import { TaskRules } from './task-rules.tsx'
import { usePreview } from './use-preview.ts'

/** The rules, what they would delete, and a question before they delete it. */
export const RulesForm = ({ collection, read }: { collection: string; read: ReadSettings }) => {
  const queries = useQueryClient()
  const mayWrite = useMayWrite()
  const saved = retentionEntry(read.settings)
  const [typed, setTyped] = useState<RetentionEntry>()
  const [isAsked, setAsked] = useState(false)
  const entry = typed ?? saved
  const change = changeOfRules(entry, read.settings)
  const isWrong = isFaulty(entry)
  const isChanged = JSON.stringify(entry) !== JSON.stringify(saved)
  const preview = usePreview(collection, isWrong ? undefined : change)
  const save = useMutation({
    mutationFn: () =>
      api.updateCollectionSettings({
        params: { collection },
        body: change,
        headers: read.etag === null ? {} : { 'if-match': read.etag },
      }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: settingsKey(collection) })
      setTyped(undefined)
      showToast({ text: 'Saved' })
    },
    onError: (error) => {
      const isLate = error instanceof AppError && error.code === 'precondition_failed'
      if (isLate) void queries.invalidateQueries({ queryKey: settingsKey(collection) })
    },
  })
  const mayNotSave = !mayWrite || !isChanged || isWrong || !preview.isCurrent || save.isPending
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (mayNotSave) return
    if (preview.data?.runs) setAsked(true)
    else save.mutate()
  }
  const set = (more: Partial<RetentionEntry>) => setTyped({ ...entry, ...more })
  return (
    <form onSubmit={submit} className="flex flex-col gap-8">
      <section aria-labelledby="all-tasks" className="flex flex-col gap-3">
        <h2 id="all-tasks" className="font-semibold text-15">
          Every task
        </h2>
        <div className="grid max-w-150 items-start gap-3 sm:grid-cols-3">
          <LimitFields
            entry={entry.all}
            faults={limitFaults(entry.all)}
            isDisabled={!mayWrite}
            empty="no limit"
            onChange={(limits) => set({ all: { ...entry.all, ...limits } })}
          />
        </div>
      </section>
      <LabelRules labels={entry.labels} isDisabled={!mayWrite} onChange={(labels) => set({ labels })} />
      <TaskRules
        collection={collection}
        tasks={entry.tasks}
        isDisabled={!mayWrite}
        onChange={(tasks) => set({ tasks })}
      />
      <section aria-labelledby="effect" aria-busy={!preview.isCurrent} className="flex flex-col gap-2">
        <h2 id="effect" className="font-semibold text-15">
          What {isChanged ? 'these rules would' : 'the saved rules'} delete now
        </h2>
        <p aria-live="polite" className={preview.isCurrent ? '' : 'text-muted'}>
          {isWrong
            ? 'Correct the rules above first.'
            : preview.isCurrent && preview.data
              ? preview.data.runs === 0
                ? 'No run.'
                : `${runsText(preview.data)}, within a quarter of an hour${isChanged ? ' after you save' : ''}.`
              : !preview.error && 'Counting…'}
        </p>
        {!isWrong && preview.data && preview.data.runs > 0 && <PreviewTable preview={preview.data} />}
        {preview.error && <Problem error={preview.error} onRetry={() => void preview.refetch()} />}
      </section>
      {save.error && !isAsked && <Problem error={save.error} />}
      <div className="flex gap-2">
        <Button look="main" type="submit" disabled={mayNotSave}>
          Save
        </Button>
        <Button look="quiet" disabled={!isChanged} onClick={() => setTyped(undefined)}>
          Undo
        </Button>
        {!mayWrite && <p className="self-center text-muted">Your key may read only.</p>}
      </div>
      {isAsked && preview.data && (
        <Confirm
          title={`Delete ${preview.data.runs.toLocaleString('en-US')} runs?`}
          action="Save and delete"
          work={() => save.mutateAsync()}
          onClose={() => setAsked(false)}
        >
          <p>
            {runsText(preview.data)} are deleted within a quarter of an hour, with their steps, labels and files. This
            cannot be taken back. From then on the rules delete what falls under them.
          </p>
        </Confirm>
      )}
    </form>
  )
}
