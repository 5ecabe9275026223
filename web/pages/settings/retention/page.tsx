import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useId, useState } from 'react'
import { AppError } from '../../../../src/lib/errors.ts'
import type { RetentionTrial } from '../../../../src/model/collections/retention-preview.ts'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Confirm } from '../../../parts/form-dialog.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { bytesText, countText } from '../../../text/numbers.ts'
import { dayText } from '../../../text/times.ts'
import { Button, IconButton } from '../../../ui/button.tsx'
import { SelectField, TextField } from '../../../ui/field.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { type CollectionPlace, CommandLines, SettingsHeading } from '../frame.tsx'
import { type ReadSettings, settingsKey, useSettings } from '../limits/settings-query.ts'
import {
  changeOfRules,
  isFaulty,
  type LabelEntry,
  type LimitsEntry,
  labelFaults,
  limitFaults,
  type RetentionEntry,
  retentionEntry,
  type TaskEntry,
  taskFaults,
} from './retention-entry.ts'

interface LabelRulesProps {
  labels: readonly LabelEntry[]
  isDisabled: boolean
  onChange: (labels: readonly LabelEntry[]) => void
}

/** Rules for runs with a label: kept for ever, or for fewer days than the others. */
const LabelRules = ({ labels, isDisabled, onChange }: LabelRulesProps) => {
  const change = (at: number, more: Partial<LabelEntry>) =>
    onChange(labels.map((one, place) => (place === at ? { ...one, ...more } : one)))
  return (
    <section aria-labelledby="by-label" className="flex flex-col items-start gap-3">
      <div>
        <h2 id="by-label" className="font-semibold text-15">
          By label
        </h2>
        <p className="text-muted">Keep runs with a label for ever, or delete them sooner than the others.</p>
      </div>
      {labels.map((entry, at) => {
        const faults = labelFaults(entry, labels)
        const name = entry.label === '' ? `label ${at + 1}` : entry.label
        return (
          <div
            // biome-ignore lint/suspicious/noArrayIndexKey: a rule has no other identity while it is typed
            key={at}
            role="group"
            aria-label={`Rule of ${name}`}
            className="grid w-full grid-cols-[1fr_1fr_auto] items-start gap-3 sm:grid-cols-[14rem_10rem_8rem_auto]"
          >
            <TextField
              label="Label"
              isCode
              placeholder="golden, or env:test"
              disabled={isDisabled}
              boxClass="max-sm:col-span-2"
              value={entry.label}
              error={faults.label}
              onChange={(event) => change(at, { label: event.target.value })}
            />
            <SelectField
              label="Its runs are"
              disabled={isDisabled}
              boxClass="max-sm:col-start-1"
              value={entry.isKept ? 'kept' : 'deleted'}
              options={[
                ['kept', 'kept for ever'],
                ['deleted', 'deleted after'],
              ]}
              onChange={(event) => change(at, { isKept: event.target.value === 'kept' })}
            />
            {entry.isKept ? (
              <span />
            ) : (
              <TextField
                label="Days"
                inputMode="numeric"
                disabled={isDisabled}
                value={entry.days}
                error={faults.days}
                onChange={(event) => change(at, { days: event.target.value })}
              />
            )}
            <IconButton
              icon="cross"
              label={`Remove the rule of ${name}`}
              disabled={isDisabled}
              className="mt-5.5 max-sm:col-start-3 max-sm:row-start-1"
              onClick={() => onChange(labels.filter((_, place) => place !== at))}
            />
          </div>
        )
      })}
      <Button
        icon="plus"
        disabled={isDisabled}
        onClick={() => onChange([...labels, { label: '', isKept: true, days: '' }])}
      >
        Add a label
      </Button>
    </section>
  )
}

interface LimitFieldsProps {
  entry: LimitsEntry
  faults: Partial<LimitsEntry>
  isDisabled: boolean
  /** What an empty limit means. */
  empty: string
  /** There is little room. */
  isShort?: boolean
  onChange: (limits: Partial<LimitsEntry>) => void
}

const fields = [
  ['days', 'Days after its end', 'Days'],
  ['runs', 'Newest runs kept', 'Runs kept'],
  ['gigabytes', 'Gigabytes kept', 'GB kept'],
] as const

/** Limits by age, number and size. */
const LimitFields = ({ entry, faults, isDisabled, empty, isShort, onChange }: LimitFieldsProps) =>
  fields.map(([name, label, short]) => (
    <TextField
      key={name}
      label={isShort ? short : label}
      inputMode="decimal"
      placeholder={empty}
      disabled={isDisabled}
      value={entry[name]}
      error={faults[name]}
      onChange={(event) => onChange({ [name]: event.target.value })}
    />
  ))

interface TaskRulesProps {
  collection: string
  tasks: readonly TaskEntry[]
  isDisabled: boolean
  onChange: (tasks: readonly TaskEntry[]) => void
}

const noTask: TaskEntry = { task: '', days: '', runs: '', gigabytes: '' }

/** Limits of single tasks, which replace those of all tasks. */
const TaskRules = ({ collection, tasks, isDisabled, onChange }: TaskRulesProps) => {
  const id = useId()
  const list = useQuery({
    queryKey: [...keys.tasks(collection), 'summary'],
    queryFn: ({ signal }) => api.listTasks({ params: { collection }, query: { view: 'summary', limit: 500 }, signal }),
  })
  const change = (at: number, more: Partial<TaskEntry>) =>
    onChange(tasks.map((one, place) => (place === at ? { ...one, ...more } : one)))
  return (
    <section aria-labelledby="by-task" className="flex flex-col items-start gap-3">
      <div>
        <h2 id="by-task" className="font-semibold text-15">
          By task
        </h2>
        <p className="text-muted">A limit of a task replaces the one of all tasks; an empty one leaves it.</p>
      </div>
      <datalist id={id}>
        {list.data?.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {tasks.map((entry, at) => {
        const faults = taskFaults(entry, tasks)
        const name = entry.task === '' ? `task ${at + 1}` : entry.task
        return (
          <div
            // biome-ignore lint/suspicious/noArrayIndexKey: a rule has no other identity while it is typed
            key={at}
            role="group"
            aria-label={`Rule of ${name}`}
            className="grid w-full grid-cols-3 items-start gap-3 max-sm:border-line max-sm:border-b max-sm:pb-3 sm:grid-cols-[14rem_8rem_8rem_8rem_auto]"
          >
            <TextField
              label="Task"
              list={id}
              placeholder="name of a task"
              disabled={isDisabled}
              boxClass="max-sm:col-span-2"
              value={entry.task}
              error={faults.task}
              onChange={(event) => change(at, { task: event.target.value })}
            />
            <IconButton
              icon="cross"
              label={`Remove the rule of ${name}`}
              disabled={isDisabled}
              className="mt-5.5 max-sm:justify-self-end sm:order-last"
              onClick={() => onChange(tasks.filter((_, place) => place !== at))}
            />
            <LimitFields
              entry={entry}
              faults={faults}
              isDisabled={isDisabled}
              empty="as all"
              isShort
              onChange={(limits) => change(at, limits)}
            />
          </div>
        )
      })}
      <Button icon="plus" disabled={isDisabled} onClick={() => onChange([...tasks, noTask])}>
        Add a task
      </Button>
    </section>
  )
}

/** What rules would delete now. */
type Preview = NonNullable<Awaited<ReturnType<typeof api.previewRetention>>>

/** `412 runs (1.2 GB)`; the count stops at some number. */
const runsText = ({ runs, bytes, is_complete: isComplete }: Preview): string =>
  `${isComplete ? '' : 'More than '}${runs === 1 ? '1 run' : `${runs.toLocaleString('en-US')} runs`} (${bytesText(bytes)})`

const reasons = [
  ['by_days', 'too old'],
  ['by_runs', 'too many'],
  ['by_bytes', 'too large'],
  ['by_label', 'by label'],
] as const

const right = 'py-1 pl-4 text-right'

/** Which runs go, by task, and why. */
const PreviewTable = ({ preview }: { preview: Preview }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by keyboard
  <div className="overflow-x-auto" tabIndex={0} role="group" aria-label="Runs that would be deleted, by task">
    <table className="w-full sm:min-w-120">
      <thead className="text-left text-11 text-muted">
        <tr>
          <th className="py-1 font-medium">Task</th>
          <th className={`${right} font-medium`}>Runs</th>
          <th className={`${right} font-medium`}>Size</th>
          <th className={`${right} font-medium`}>Why</th>
          <th className={`${right} font-medium max-sm:hidden`}>Created</th>
        </tr>
      </thead>
      <tbody className="divide-y divide-line">
        {preview.tasks.map((one) => (
          <tr key={one.task}>
            <td className="max-w-60 truncate py-1 max-sm:max-w-28" title={one.task}>
              {one.task}
            </td>
            <td className={right}>{countText(one.runs)}</td>
            <td className={`${right} whitespace-nowrap`}>{bytesText(one.bytes)}</td>
            <td className={`${right} text-12 text-muted`}>
              {reasons
                .filter(([name]) => one[name] > 0)
                .map(([name, text]) => (one[name] === one.runs ? text : `${countText(one[name])} ${text}`))
                .join(', ')}
            </td>
            <td className={`${right} whitespace-nowrap text-12 text-muted max-sm:hidden`}>
              {dayText(one.oldest)} to {dayText(one.newest)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)

/** Rules as they are typed, and the settings that they change. */
interface TypedRules {
  entry: RetentionEntry
  of: ReadSettings
}

interface SentRules {
  change: RetentionTrial
  of: ReadSettings
  typed: TypedRules | undefined
}

interface SaveRulesEnd {
  onSaved: (typed: TypedRules | undefined, now: ReadSettings) => void
  /** Somebody else was faster. */
  onLate: (now: ReadSettings) => void
}

/** Saves rules, and never over a change of somebody else that this person was not told of. */
const useSaveRules = (collection: string, { onSaved, onLate }: SaveRulesEnd) => {
  const queries = useQueryClient()
  const readAgain = async (before: ReadSettings): Promise<ReadSettings> => {
    await queries.invalidateQueries({ queryKey: settingsKey(collection) })
    return queries.getQueryData<ReadSettings>(settingsKey(collection)) ?? before
  }
  return useMutation({
    mutationFn: ({ change, of: { etag } }: SentRules) =>
      api.updateCollectionSettings({
        params: { collection },
        body: change,
        headers: etag === null ? {} : { 'if-match': etag },
      }),
    onSuccess: async (_, { typed, of }) => {
      onSaved(typed, await readAgain(of))
      showToast({ text: 'Saved' })
    },
    onError: async (error, { of }) => {
      if (error instanceof AppError && error.code === 'precondition_failed') onLate(await readAgain(of))
    },
  })
}

/** Counting many runs is work for the server: it is asked once somebody stops typing. */
const waitMs = 400

/** What rules would delete now; undefined rules are not asked about. */
const usePreview = (collection: string, change: RetentionTrial | undefined) => {
  const wanted = change === undefined ? undefined : JSON.stringify(change)
  const [asked, setAsked] = useState(wanted)
  useEffect(() => {
    const timer = setTimeout(() => setAsked(wanted), waitMs)
    return () => clearTimeout(timer)
  }, [wanted])
  const query = useQuery({
    queryKey: ['retention', collection, asked],
    queryFn: ({ signal }) =>
      api.previewRetention({ params: { collection }, body: JSON.parse(asked ?? '{}') as RetentionTrial, signal }),
    enabled: asked !== undefined,
    placeholderData: keepPreviousData,
    // Runs end meanwhile.
    staleTime: 10_000,
  })
  return { ...query, isCurrent: asked === wanted && query.isSuccess && !query.isPlaceholderData }
}

interface EffectProps {
  preview: ReturnType<typeof usePreview>
  isChanged: boolean
  isWrong: boolean
}

/** What the rules delete, as far as it is counted. */
const Effect = ({ preview, isChanged, isWrong }: EffectProps) => {
  const { data, error, isCurrent } = preview
  const said = (): string => {
    if (isWrong) return 'Correct the rules above first.'
    if (!isCurrent || !data) return error ? '' : 'Counting…'
    if (data.runs === 0) return 'No run.'
    return `${runsText(data)}, within a quarter of an hour${isChanged ? ' after you save' : ''}.`
  }
  return (
    <section aria-labelledby="effect" aria-busy={!isCurrent} className="flex flex-col gap-2">
      <h2 id="effect" className="font-semibold text-15">
        What {isChanged ? 'these rules would' : 'the saved rules'} delete now
      </h2>
      <p aria-live="polite" className={isCurrent ? '' : 'text-muted'}>
        {said()}
      </p>
      {!isWrong && data && data.runs > 0 && <PreviewTable preview={data} />}
      {error && <Problem error={error} onRetry={() => void preview.refetch()} />}
    </section>
  )
}

/** The rules, what they would delete, and a question before they delete it. */
const RulesForm = ({ collection, read }: { collection: string; read: ReadSettings }) => {
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
    <>
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
      </form>
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
    </>
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

/** Which runs are deleted by themselves. */
const RetentionPage = ({ collection }: CollectionPlace) => {
  const settings = useSettings(collection)
  return (
    <>
      <SettingsHeading title={`Retention of ${collection}`}>
        Runs that these rules name are deleted with their steps, labels and files. Without a rule every run is kept.
        Open runs stay, and so do runs whose parent or child is open.
      </SettingsHeading>
      {settings.error && <Problem error={settings.error} onRetry={() => void settings.refetch()} />}
      {settings.data && <RulesForm key={collection} collection={collection} read={settings.data} />}
      <CommandLines
        lines={[
          `jetty collections retention ${collection} --days 90 --keep-label golden --dry-run`,
          `jetty collections retention ${collection} --task nightly --runs 100`,
        ]}
      />
    </>
  )
}

export default RetentionPage
