import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { memo, useState } from 'react'
import { api } from '../../data/api.ts'
import { useNow, useNowWith } from '../../data/clock.ts'
import { keys } from '../../data/keys.ts'
import { isObserved, isOpen, type Run, type RunAddress, stepsInOrder } from '../../data/run.ts'
import { changeRun } from '../../data/run-query.ts'
import { useWhoami } from '../../data/whoami.ts'
import { Confirm, FormDialog } from '../../parts/form-dialog.tsx'
import { PageLink } from '../../parts/page-link.tsx'
import { cancelCommand, labelCommand, type RerunWish } from '../../parts/run-commands.ts'
import { jobOfRun, originOfRun } from '../../parts/run-origin.ts'
import { personText, statusOfRun } from '../../parts/status-of-run.ts'
import { statusOfStep } from '../../parts/status-of-step.ts'
import { versionName } from '../../parts/versions/version-meta.ts'
import { countText, usdText } from '../../text/numbers.ts'
import { agoText, durationText, momentText } from '../../text/times.ts'
import { Badge } from '../../ui/badge.tsx'
import { Button, buttonClass } from '../../ui/button.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { TextField } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { useKeys } from '../../ui/keys.ts'
import { Status } from '../../ui/status.tsx'
import { showToast } from '../../ui/toast.tsx'
import { CommandsMenu } from './commands-menu.tsx'
import { RerunMenu } from './rerun.tsx'

/** A label that other runs of the task have. */
interface LabelChoice {
  key: string
  value: string
  /** Runs that have it. */
  runs: number
}

/** The nine labels that are used most, for the keys 1 to 9. */
export const labelChoices = (inUse: Record<string, Record<string, number>>, most = 9): LabelChoice[] =>
  Object.entries(inUse)
    .flatMap(([key, values]) => Object.entries(values).map(([value, runs]) => ({ key, value, runs })))
    .sort((one, other) => other.runs - one.runs || one.key.localeCompare(other.key))
    .slice(0, most)

/** Reads `key`, `key: value` or `key=value`; a key alone has the value `true`. Undefined for an empty text. */
export const readLabel = (text: string): { key: string; value: string } | undefined => {
  const [, key = '', value] = /^([^:=]*)(?:[:=](.*))?$/s.exec(text.trim()) ?? []
  if (key.trim() === '') return undefined
  return { key: key.trim(), value: value === undefined ? 'true' : value.trim() }
}

interface LabelsProps {
  run: Run
  place: RunAddress
  mayWrite: boolean
}

/** Labels of a run, with a way to add some by keyboard: `l`, then a number or a text. */
const LabelBar = ({ run, place, mayWrite }: LabelsProps) => {
  const [isOpen, setOpen] = useState(false)
  useKeys('Run', mayWrite ? [{ keys: 'l', does: 'Label', run: () => setOpen(true) }] : [])
  return (
    <span className="flex flex-wrap items-center gap-1">
      {run.labels.map(({ key, value, author }) => (
        <Badge key={`${key}\n${author}`} title={`${key}: ${value}, by ${personText(author)}`}>
          {value === '' || value === 'true' ? key : `${key}: ${value}`}
        </Badge>
      ))}
      {mayWrite && (
        <button
          type="button"
          onClick={() => setOpen(true)}
          className="-ml-1 inline-flex h-5 items-center gap-1 rounded-s px-1 hover:bg-sunk hover:text-text"
        >
          <Icon name="label" className="size-3.5" />
          Label
        </button>
      )}
      {isOpen && <LabelDialog run={run} place={place} onClose={() => setOpen(false)} />}
    </span>
  )
}

const LabelDialog = ({ run, place, onClose }: { run: Run; place: RunAddress; onClose: () => void }) => {
  const [text, setText] = useState('')
  const author = useWhoami()?.name ?? 'web'
  const { collection, task } = place
  const stats = useQuery({
    queryKey: ['stats', collection, task],
    queryFn: ({ signal }) => api.getStats({ params: { collection, task }, signal }),
    staleTime: 60_000,
  })
  const change = useLabelChange(place, author)
  const choices = labelChoices(stats.data?.labels ?? {})
  const label = readLabel(text)
  const set = (key: string, value: string) => change.mutate({ key, value, isRemoved: false }, { onSuccess: onClose })
  useKeys(
    'Labels',
    choices.map(({ key, value }, at) => ({
      keys: String(at + 1),
      does: '',
      run: () => set(key, value),
      isHidden: true,
    })),
  )
  return (
    <FormDialog
      title="Labels"
      action="Set"
      isReady={label !== undefined}
      work={() => {
        const quick = choices[Number(text) - 1] ?? label
        return quick && change.mutateAsync({ key: quick.key, value: quick.value, isRemoved: false })
      }}
      onClose={onClose}
    >
      <TextField
        label="Label"
        placeholder="reviewed, or quality: high"
        value={text}
        onChange={(event) => setText(event.target.value)}
        hint="A number takes one of those in use."
      />
      <ul>
        {choices.map(({ key, value, runs }, at) => (
          <li key={`${key}\n${value}`}>
            <button
              type="button"
              onClick={() => set(key, value)}
              className="flex w-full items-center gap-3 rounded-s px-1 py-1 text-left hover:bg-sunk"
            >
              <kbd className="w-4 font-sans text-11 text-faint">{at + 1}</kbd>
              <span className="min-w-0 flex-1 truncate">{value === 'true' ? key : `${key}: ${value}`}</span>
              <span className="text-12 text-faint">{runs} runs</span>
            </button>
          </li>
        ))}
      </ul>
      {run.labels.length > 0 && (
        <ul className="border-line border-t pt-2">
          {run.labels.map(({ key, value, author: by }) => (
            <li key={`${key}\n${by}`} className="flex items-center gap-2">
              <span className="min-w-0 flex-1 truncate">
                {key}: {value} <span className="text-12 text-faint">by {personText(by)}</span>
              </span>
              <Button look="quiet" onClick={() => change.mutate({ key, value: by, isRemoved: true })}>
                Remove
              </Button>
            </li>
          ))}
        </ul>
      )}
      {label && <CopyLine text={labelCommand(run, label.key, label.value)} />}
    </FormDialog>
  )
}

interface LabelChange {
  key: string
  /** The value; of a removed label its author. */
  value: string
  isRemoved: boolean
}

const useLabelChange = (place: RunAddress, author: string) => {
  const client = useQueryClient()
  const { collection, task, id } = place
  const params = { collection, task, trajectory_id: id }
  return useMutation({
    // One after another: each answer lists all labels, and the last answer counts.
    scope: { id: `labels of ${collection}/${task}/${id}` },
    mutationFn: async ({ key, value, isRemoved }: LabelChange) =>
      isRemoved
        ? api.deleteLabel({ params: { ...params, key }, query: { author: value } })
        : api.addLabel({ params, body: { key, value, author } }),
    onSuccess: ({ labels }) => {
      changeRun(client, place, [{ event: 'label', data: { trajectory_id: id, labels } }])
    },
    onError: (error) => showToast({ text: error.message, isBad: true }),
  })
}

interface HeaderProps {
  run: Run
  place: RunAddress
  /** The chosen step, where a re-run may begin. */
  step: string | undefined
  failedStep: string | undefined
  mayWrite: boolean
  isStarting: boolean
  onRerun: (choice: RerunWish) => void
  onEdit: () => void
}

/** State, facts and actions of a run. */
export const RunHeader = memo(
  ({ run, place, step, failedStep, mayWrite, isStarting, onRerun, onEdit }: HeaderProps) => (
    <header className="flex flex-col gap-1 px-4 py-2">
      <div className="flex flex-wrap items-center gap-2">
        <h1 className="flex min-w-0 items-center gap-2 font-semibold text-15">
          <Status of={statusOfWhole(run)} />
          <span className="sr-only">run {run.trajectory_id}</span>
          {failedStep !== undefined && <span className="min-w-0 truncate font-normal text-muted">at {failedStep}</span>}
        </h1>
        <span className="flex-1" />
        <span className="flex flex-wrap items-center gap-1.5">
          {mayWrite && isOpen(run) && <CancelButton run={run} place={place} />}
          {mayWrite && !isObserved(run) && (
            <span data-run-action="rerun" className="inline-flex">
              <RerunMenu run={run} step={step} onRerun={onRerun} onEdit={onEdit} isPending={isStarting} />
            </span>
          )}
          <span data-run-action="compare" className="inline-flex">
            <Link to="/-/compare" search={{ run: compared(run) } as never} className={buttonClass()}>
              <Icon name="compare" />
              <span className="max-sm:sr-only">Compare</span>
            </Link>
          </span>
          <CommandsMenu run={run} place={place} failedStep={failedStep} />
        </span>
      </div>
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1 text-12 text-muted">
        <Facts run={run} />
        <LabelBar run={run} place={place} mayWrite={mayWrite} />
      </div>
    </header>
  ),
)

/** The state of a run, with that of its child runs as its steps tell it. */
const statusOfWhole = (run: Run): string => {
  const status = statusOfRun(run)
  return status === 'completed' && stepsInOrder(run).some((step) => statusOfStep(step) === 'partial')
    ? 'partial'
    : status
}

/** A re-run is compared with the run that it repeats. */
const compared = (run: Run): string[] => {
  const { from } = originOfRun({ ...run, params: run.attributes.params })
  const name = `${run.task}/${run.trajectory_id}`
  const isAgain = 'rerun' in run.attributes.params || 'replay' in run.attributes.params
  return from && isAgain
    ? [`${run.collection}/${from.task}/${from.id}`, `${run.collection}/${name}`]
    : [`${run.collection}/${name}`]
}

/** The event of its end comes before the document that says how long it took. */
const lacksDuration = (run: Run): boolean => isOpen(run) || (run.duration_seconds === null && run.started !== null)

/** The reference that the run was asked for, such as a tag. */
const askedVersion = ({ attributes }: Run): string | undefined => {
  const { version } = (attributes.params ?? {}) as { version?: { ref?: string } }
  return version?.ref
}

const Facts = ({ run }: { run: Run }) => {
  const facts = { ...run, params: run.attributes.params }
  const trigger = originOfRun(facts)
  const job = jobOfRun(facts)
  return (
    <>
      {job && (
        <PageLink href={job.href} className="text-accent hover:underline" title="Open its report">
          {job.text}
        </PageLink>
      )}
      {isObserved(run) ? (
        <span title="Another program executed this, and sent its trace">trace</span>
      ) : (
        <span title={run.task_version}>
          {typeof run.version_number === 'number'
            ? versionName({ ref: askedVersion(run) ?? '~', index: run.version_number })
            : `version ${run.task_version.slice(0, 8)}`}
        </span>
      )}
      {trigger.kind !== 'person' && (
        <span>
          {trigger.from ? (
            <Link
              to="/$collection/$task/$id"
              params={{ collection: run.collection, task: trigger.from.task, id: trigger.from.id }}
              className="text-accent hover:underline"
            >
              {trigger.text} of {trigger.from.id}
            </Link>
          ) : trigger.routine !== undefined ? (
            <Link
              to="/$collection/$task"
              params={{ collection: run.collection, task: run.task }}
              search={{ tab: 'routines', routine: trigger.routine }}
              className="text-accent hover:underline"
            >
              {trigger.text}
            </Link>
          ) : trigger.hook !== undefined ? (
            <Link
              to="/$collection/$task"
              params={{ collection: run.collection, task: run.task }}
              search={{ tab: 'hooks', hook: trigger.hook }}
              className="text-accent hover:underline"
            >
              {trigger.text}
            </Link>
          ) : (
            trigger.text
          )}
        </span>
      )}
      <span title={momentText(run.started ?? run.created)}>
        {run.started === null ? 'not started' : <Started at={run.started} />}
      </span>
      <span>{lacksDuration(run) ? <Running run={run} /> : durationText(run.duration_seconds)}</span>
      <span>
        {isObserved(run)
          ? spansText(Object.keys(run.steps).length)
          : `${run.completed_steps.length} of ${Math.max(run.total_steps.length, Object.keys(run.steps).length)} steps`}
      </span>
      {run.usage && (
        <>
          <span>{run.cost_usd === null ? 'cost unknown' : usdText(run.cost_usd, run.usage.estimated)}</span>
          <span title={`${run.usage.prompt_tokens} in, ${run.usage.completion_tokens} out`}>
            {run.usage.estimated && 'about '}
            {countText(run.usage.total_tokens)} tokens
          </span>
        </>
      )}
      <span>by {personText(run.recorded_by ?? run.author)}</span>
    </>
  )
}

const spansText = (count: number): string => (count === 1 ? 'one span' : `${count.toLocaleString('en-US')} spans`)

const Started = ({ at }: { at: string }) => <>started {agoText(at, Math.max(useNow(), Date.parse(at)))}</>

const Running = ({ run }: { run: Run }) => {
  const now = useNowWith(run)
  return run.started === null ? (
    <>waits for a free worker</>
  ) : (
    <>for {durationText(Math.max(0, now - Date.parse(run.started)) / 1000)}</>
  )
}

const CancelButton = ({ run, place }: { run: Run; place: RunAddress }) => {
  const [isAsking, setAsking] = useState(false)
  const client = useQueryClient()
  const { collection, task, id } = place
  const cancel = () =>
    api
      .setTrajectoryStatuses({ params: { collection, task }, body: { [id]: 'cancelled' } })
      .finally(() => client.invalidateQueries({ queryKey: keys.run(collection, task, id) }))
  return (
    <>
      <Button icon="stop" onClick={() => setAsking(true)}>
        Cancel
      </Button>
      {isAsking && (
        <Confirm
          title="Cancel this run?"
          action="Cancel the run"
          cancel="Let it run"
          work={cancel}
          onDone={() => showToast({ text: `Cancelled ${id}` })}
          onClose={() => setAsking(false)}
          command={cancelCommand(run)}
        >
          <p>The step at work is interrupted, and no further one begins. Runs that it started are cancelled too.</p>
        </Confirm>
      )}
    </>
  )
}
