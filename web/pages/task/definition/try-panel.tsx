import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type RefObject, useEffect, useEffectEvent, useRef, useState } from 'react'
import { isObject, parsedJson } from '../../../../src/lib/json/json-object.ts'
import type { Trajectory } from '../../../../src/model/runs/trajectory.ts'
import type { WorkflowCheck } from '../../../../src/model/workflows/workflow-check.ts'
import { api, apiCall } from '../../../data/api.ts'
import type { EditorHandle } from '../../../parts/editor/json-editor.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { durationText } from '../../../text/duration.ts'
import { Button, IconButton } from '../../../ui/button.tsx'
import { Checkbox, TextArea } from '../../../ui/field.tsx'
import { Status } from '../../../ui/status.tsx'
import { StepEditor } from './form/step-editor.tsx'
import { stepsToTry } from './steps-to-try.ts'

/** What is to be tried: the workflow as text, and pinned outputs as JSON texts by step. */
interface WantedTry {
  workflowText: string
  step: string
  pinned: Readonly<Record<string, string>>
}

const task = '_try'
const lookMs = 600

const keyOf = (collection: string, id: string | undefined) => ['run', collection, task, id]

/** Tries steps of a workflow, one at a time. The run is cancelled when the page is left. */
const useTry = (collection: string) => {
  const client = useQueryClient()
  const [id, setId] = useState<string>()
  const [error, setError] = useState<unknown>()
  const [isStarting, setStarting] = useState(false)
  const run = useQuery({
    queryKey: keyOf(collection, id),
    enabled: id !== undefined,
    queryFn: ({ signal }) =>
      api.getTrajectory({ params: { collection, task, trajectory_id: id ?? '' }, signal }) as Promise<Trajectory>,
    refetchInterval: ({ state }) => (state.data?.ended || state.error ? false : lookMs),
  })
  const isRunning = isStarting || (id !== undefined && !run.error && !run.data?.ended)

  const stop = (which: string) =>
    void api
      .setTrajectoryStatuses({ params: { collection, task }, body: { [which]: 'cancelled' } })
      .catch(() => {})
      .finally(() => void run.refetch())
  // Not the state: a page that is about to be left is rendered no more.
  const page = useRef<{ isLeft: boolean; id: string | undefined }>({ isLeft: false, id: undefined })
  const leave = useEffectEvent(() => {
    const { id: last } = page.current
    const known = client.getQueryData<Trajectory>(keyOf(collection, last))
    if (last !== undefined && !known?.ended) stop(last)
  })
  useEffect(() => {
    const here = page.current
    here.isLeft = false
    return () => {
      here.isLeft = true
      leave()
    }
  }, [])

  const start = async ({ workflowText, step, pinned }: WantedTry) => {
    setError(undefined)
    setId(undefined)
    setStarting(true)
    const outputs = Object.entries(pinned).map(([name, text]) => `${JSON.stringify(name)}:${text}`)
    try {
      const body = `{"workflow":${workflowText},"step":${JSON.stringify(step)},"outputs":{${outputs.join(',')}},"preflight":"refuse"}`
      const answer = (await apiCall('tryStep', { params: { collection }, bodyText: body })) as { trajectory_id: string }
      page.current.id = answer.trajectory_id
      if (page.current.isLeft) stop(answer.trajectory_id)
      else setId(answer.trajectory_id)
    } catch (thrown) {
      setError(thrown)
    } finally {
      setStarting(false)
    }
  }
  return { start, isRunning, run: run.data, error: error ?? run.error, cancel: () => id !== undefined && stop(id) }
}

interface TryPanelProps {
  collection: string
  task: string
  check: WorkflowCheck
  workflowText: string
  step: string
  mayTry: boolean
  mayWrite: boolean
  /** The editor of the text, into which the form writes. */
  editor: RefObject<EditorHandle | null>
  onClose: () => void
}

/** Outputs of the steps of the task's last completed run, to be pinned. */
const useLastOutputs = (collection: string, task: string): Record<string, unknown> => {
  const last = useQuery({
    queryKey: ['last-outputs', collection, task],
    staleTime: 60_000,
    queryFn: async ({ signal }) => {
      const query = { task: [task], status: ['completed' as const], limit: 1 }
      const [run] = (await api.listCollectionRuns({ params: { collection }, query, signal })).runs
      if (!run) return {}
      const found = await api.getTrajectory({ params: { collection, task, trajectory_id: run.trajectory_id }, signal })
      return Object.fromEntries(Object.entries(found.steps).map(([name, { outputs }]) => [name, outputs]))
    },
  })
  return last.data ?? {}
}

/** One step: its parameters, and a run of it alone or up to it. */
export const TryPanel = (props: TryPanelProps) => {
  const { collection, task, check, workflowText, step, mayTry, mayWrite, editor, onClose } = props
  const [pinned, setPinned] = useState<Record<string, string>>({})
  const last = useLastOutputs(collection, task)
  const tried = useTry(collection)
  const names = stepsToTry(check.steps, step, new Set(Object.keys(pinned)))
  const before = names.filter((name) => name !== step)
  const known = before
    .filter((name) => last[name] !== undefined && pinned[name] === undefined)
    .map((name) => [name, JSON.stringify(last[name], null, 2)] as const)
  const used = Object.fromEntries(Object.entries(pinned).filter(([name]) => before.includes(name)))
  const wrong = Object.entries(used).filter(([, text]) => !isObject(parsedJson(text)))
  const pin = (name: string, text: string | undefined) =>
    setPinned(({ [name]: _, ...others }) => (text === undefined ? others : { ...others, [name]: text }))
  return (
    <div className="flex flex-col gap-4 p-4">
      <div className="flex flex-wrap items-center gap-2">
        <IconButton icon="left" label="All steps" onClick={onClose} />
        <h2 className="min-w-0 flex-1 truncate font-semibold text-15">{step}</h2>
        {tried.isRunning ? (
          <Button icon="stop" onClick={tried.cancel}>
            Stop
          </Button>
        ) : (
          <Button
            look="main"
            icon="play"
            disabled={!mayTry || wrong.length > 0}
            onClick={() => void tried.start({ workflowText, step, pinned: used })}
          >
            {before.every((name) => name in used) ? 'Try this step' : `Try up to here`}
          </Button>
        )}
      </div>
      <StepEditor {...{ check, workflowText, step, editor }} isReadOnly={!mayWrite} />
      {before.length > 0 && (
        <section className="flex flex-col gap-2">
          <div className="flex items-center justify-between gap-2">
            <h3 className="font-medium text-12 text-muted">Before it</h3>
            {known.length > 0 && (
              <Button look="quiet" onClick={() => setPinned({ ...pinned, ...Object.fromEntries(known) })}>
                Pin all from the last run
              </Button>
            )}
          </div>
          {before.map((name) => (
            <PinnedStep
              key={name}
              name={name}
              text={pinned[name]}
              last={last[name]}
              onPin={(text) => pin(name, text)}
            />
          ))}
        </section>
      )}
      {tried.error && <Problem error={tried.error} />}
      {tried.run && <TriedSteps run={tried.run} step={step} />}
    </div>
  )
}

interface PinnedStepProps {
  name: string
  text: string | undefined
  last: unknown
  onPin: (text: string | undefined) => void
}

const PinnedStep = ({ name, text, last, onPin }: PinnedStepProps) => (
  <div>
    <Checkbox
      label={`${name}: pin its outputs instead of executing it`}
      checked={text !== undefined}
      onChange={(event) => onPin(event.target.checked ? JSON.stringify(last ?? {}, null, 2) : undefined)}
    />
    {text !== undefined && (
      <TextArea
        label={`Outputs of ${name}`}
        hidesLabel
        isCode
        value={text}
        onChange={(event) => onPin(event.target.value)}
        hint={last === undefined ? 'There is no completed run to take them from.' : 'From the last completed run.'}
        error={isObject(parsedJson(text)) ? undefined : 'Write a JSON object: the outputs of the step'}
      />
    )}
  </div>
)

const shownCharacters = 20_000

const TriedSteps = ({ run, step }: { run: NonNullable<ReturnType<typeof useTry>['run']>; step: string }) => {
  const record = run.steps[step]
  const shown = JSON.stringify(record?.outputs ?? {}, null, 2)
  return (
    <section aria-live="polite" className="flex flex-col gap-2">
      {Object.values(run.steps).map(({ key, status, duration_seconds: seconds }) => (
        <p key={key} className="flex items-center gap-3">
          <Status of={status} hidesText />
          <span className="min-w-0 flex-1 truncate">{key}</span>
          <span className="text-muted">{durationText(seconds)}</span>
        </p>
      ))}
      {run.ended && (run.error ?? record?.error) && (
        <p className="break-words text-bad">{run.error ?? record?.error}</p>
      )}
      {record?.ended && (
        <pre className="max-h-100 overflow-auto rounded-m bg-sunk p-3 font-mono text-12 whitespace-pre-wrap break-words">
          {shown.slice(0, shownCharacters)}
          {shown.length > shownCharacters && '\n…'}
        </pre>
      )}
    </section>
  )
}
