import { type FormEvent, useState } from 'react'
import { useMayWrite } from '../../../data/whoami.ts'
import { Confirm } from '../../../parts/confirm.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import type { ReadSettings } from '../limits/settings-query.ts'
import { Effect } from './effect.tsx'
import { LabelRules } from './label-rules.tsx'
import { LimitFields } from './limit-fields.tsx'
import { runsText } from './preview.tsx'
import { changeOfRules, isFaulty, limitFaults, type RetentionEntry, retentionEntry } from './retention-entry.ts'
import { TaskRules } from './task-rules.tsx'
import { usePreview } from './use-preview.ts'
import { type TypedRules, useSaveRules } from './use-save-rules.ts'

/** The rules, what they would delete, and a question before they delete it. */
export const RulesForm = ({ collection, read }: { collection: string; read: ReadSettings }) => {
  const mayWrite = useMayWrite()
  const saved = retentionEntry(read.settings)
  const [typed, setTyped] = useState<TypedRules>()
  const [isAsked, setAsked] = useState(false)
  const of = typed?.of ?? read
  const entry = typed?.entry ?? saved
  const change = changeOfRules(entry, of.settings)
  const isWrong = isFaulty(entry)
  const isChanged = JSON.stringify(entry) !== JSON.stringify(saved)
  const preview = usePreview(collection, isWrong ? undefined : change)
  const save = useSaveRules(collection, {
    // What was typed meanwhile stays.
    onSaved: (sent, now) => setTyped((was) => (was === sent ? undefined : was && { ...was, of: now })),
    onLate: (now) => setTyped((was) => was && { ...was, of: now }),
  })
  const maySave = mayWrite && isChanged && !isWrong && preview.isCurrent && !save.isPending
  const onChange = (next: RetentionEntry) => setTyped((was) => ({ entry: next, of: was?.of ?? read }))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!maySave) return
    if (preview.data?.runs) setAsked(true)
    else save.mutate({ change, of, typed })
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-8">
      <RuleFields collection={collection} entry={entry} isDisabled={!mayWrite} onChange={onChange} />
      <Effect preview={preview} isChanged={isChanged} isWrong={isWrong} />
      {save.error && !isAsked && <Problem error={save.error} />}
      <div className="flex gap-2">
        <Button look="main" type="submit" disabled={!maySave}>
          Save
        </Button>
        <Button look="quiet" disabled={!isChanged} onClick={() => setTyped(undefined)}>
          Undo
        </Button>
        {!mayWrite && <p className="self-center text-muted">Your key may read only.</p>}
      </div>
      {isAsked && preview.data && (
        <Confirm
          title={
            preview.data.runs === 1 ? 'Delete 1 run?' : `Delete ${preview.data.runs.toLocaleString('en-US')} runs?`
          }
          action="Save and delete"
          work={() => save.mutateAsync({ change, of, typed })}
          onClose={() => setAsked(false)}
        >
          <p>
            {runsText(preview.data)} will be deleted within a quarter of an hour, with steps, labels and files. This
            cannot be taken back. From then on the rules delete what falls under them.
          </p>
        </Confirm>
      )}
    </form>
  )
}

interface RuleFieldsProps {
  collection: string
  entry: RetentionEntry
  isDisabled: boolean
  onChange: (entry: RetentionEntry) => void
}

const RuleFields = ({ collection, entry, isDisabled, onChange }: RuleFieldsProps) => (
  <>
    <section aria-labelledby="all-tasks" className="flex flex-col gap-3">
      <h2 id="all-tasks" className="font-semibold text-15">
        Every task
      </h2>
      <div className="grid max-w-150 items-start gap-3 sm:grid-cols-3">
        <LimitFields
          entry={entry.all}
          faults={limitFaults(entry.all)}
          isDisabled={isDisabled}
          empty="no limit"
          onChange={(limits) => onChange({ ...entry, all: { ...entry.all, ...limits } })}
        />
      </div>
    </section>
    <LabelRules labels={entry.labels} isDisabled={isDisabled} onChange={(labels) => onChange({ ...entry, labels })} />
    <TaskRules
      collection={collection}
      tasks={entry.tasks}
      isDisabled={isDisabled}
      onChange={(tasks) => onChange({ ...entry, tasks })}
    />
  </>
)
