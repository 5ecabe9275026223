import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { memo, useState } from 'react'
import { api } from '../../data/api.ts'
import { useNow, useNowWith } from '../../data/clock.ts'
import { keys } from '../../data/keys.ts'
import { isOpen, type Run, type RunAddress, stepsInOrder } from '../../data/run.ts'
import { PageLink } from '../../parts/page-link.tsx'
import { cancelCommand, type RerunWish } from '../../parts/run-commands.ts'
import { jobOfRun, originOfRun } from '../../parts/run-origin.ts'
import { personText, statusOfRun } from '../../parts/status-of-run.ts'
import { statusOfStep } from '../../parts/status-of-step.ts'
import { agoText } from '../../text/ago.ts'
import { usdText } from '../../text/cost.ts'
import { countText } from '../../text/count.ts'
import { durationText } from '../../text/duration.ts'
import { momentText } from '../../text/moment.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Status } from '../../ui/status.tsx'
import { showToast } from '../../ui/toast.tsx'
import { CommandsMenu } from './commands-menu.tsx'
import { LabelBar } from './label-bar.tsx'
import { RerunMenu } from './rerun.tsx'

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
          {mayWrite && (
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
      <span title={run.task_version}>
        {typeof run.version_number === 'number' ? `v${run.version_number}` : `version ${run.task_version.slice(0, 8)}`}
      </span>
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
        {run.completed_steps.length} of {Math.max(run.total_steps.length, Object.keys(run.steps).length)} steps
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
  const { mutate, isPending } = useMutation({
    mutationFn: () =>
      api.setTrajectoryStatuses({
        params: { collection: place.collection, task: place.task },
        body: { [place.id]: 'cancelled' },
      }),
    onSuccess: () => showToast({ text: `Cancelled ${place.id}` }),
    onError: (error) => showToast({ text: error.message, isBad: true }),
    onSettled: () => {
      setAsking(false)
      return client.invalidateQueries({ queryKey: keys.run(place.collection, place.task, place.id) })
    },
  })
  return (
    <>
      <Button icon="stop" onClick={() => setAsking(true)}>
        Cancel
      </Button>
      <Dialog
        title="Cancel this run?"
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        actions={
          <>
            <Button onClick={() => setAsking(false)}>Let it run</Button>
            <Button look="bad" disabled={isPending} onClick={() => mutate()}>
              Cancel the run
            </Button>
          </>
        }
      >
        <p className="mb-3">
          The step at work is interrupted, and no further one begins. Runs that it started are cancelled too.
        </p>
        <CopyLine text={cancelCommand(run)} />
      </Dialog>
    </>
  )
}
