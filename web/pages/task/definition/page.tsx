import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type RefObject, Suspense, useEffect, useEffectEvent, useRef, useState } from 'react'
import { isObject, parsedJson } from '../../../../src/lib/json/json-object.ts'
import { prettyJson } from '../../../../src/lib/json/pretty-json.ts'
import type { Trajectory } from '../../../../src/model/runs/trajectory.ts'
import type { CheckedStep, WorkflowCheck } from '../../../../src/model/workflows/workflow-check.ts'
import { api, apiCall } from '../../../data/api.ts'
import { useTitle } from '../../../data/browser.ts'
import { lazyPart } from '../../../data/server-away.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import type { EditorHandle } from '../../../parts/editor/json-editor.tsx'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { TabbedSplit } from '../../../parts/split.tsx'
import { durationText } from '../../../text/times.ts'
import { Button, IconButton } from '../../../ui/button.tsx'
import { Checkbox, TextArea } from '../../../ui/field.tsx'
import { Status } from '../../../ui/status.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { useDraft } from '../use-draft.ts'
import { type ReadTask, type TaskPlaceProps, useTask } from '../use-task.ts'
import { useCompletion } from './completion.ts'
import { AddStep } from './form/add-step.tsx'
import { StepEditor } from './form/step-editor.tsx'
import { ProblemList } from './problem-list.tsx'
import { SaveBar } from './save-bar.tsx'
import { StepList } from './step-list.tsx'
import { useWorkflowCheck } from './use-check.ts'

/** Steps that are executed when one is tried: what it depends on, down to the pinned ones. The last one is the step itself. */
export const stepsToTry = (
  steps: readonly Pick<CheckedStep, 'name' | 'depends_on' | 'decided_by'>[],
  wanted: string,
  pinned: ReadonlySet<string>,
): string[] => {
  const byName = new Map(steps.map((step) => [step.name, step]))
  const needed = new Set<string>()
  const open = [wanted]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const step = byName.get(name)
    if (!step || needed.has(name)) continue
    needed.add(name)
    if (!pinned.has(name)) open.push(...step.depends_on, ...(name === wanted ? [] : step.decided_by))
  }
  return steps.map(({ name }) => name).filter((name) => needed.has(name))
}

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
const TryPanel = (props: TryPanelProps) => {
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

/** Runs the failed run that led here again, from its failed step, with what was saved. */
const RunAgain = ({ place: { collection, task } }: { place: TaskPlaceProps }) => {
  const navigate = useNavigate()
  const { mends, from } = useSearch({ strict: false }) as { mends?: string; from?: string }
  const rerun = useMutation({
    mutationFn: (id: string) =>
      api.rerunTrajectory({
        params: { collection, task, trajectory_id: id },
        body: { init_params: {}, version: 'current', mode: 'run', ...(from === undefined ? {} : { from_step: from }) },
      }),
    onSuccess: ({ trajectory_id: id }) =>
      void navigate({ to: '/$collection/$task/$id', params: { collection, task, id } }),
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  if (mends === undefined) return null
  return (
    <Button look="main" icon="again" disabled={rerun.isPending} onClick={() => rerun.mutate(mends)}>
      Run {mends} again
    </Button>
  )
}

const WorkflowGraphView = lazyPart(() => import('./graph.tsx'))
const JsonEditor = lazyPart(() => import('../../../parts/editor/json-editor.tsx'))
const TryDraft = lazyPart(async () => ({ default: (await import('../experiments/draft-trial.tsx')).TryDraft }))
const TagSaved = lazyPart(async () => ({ default: (await import('../experiments/draft-trial.tsx')).TagSaved }))
const ExperimentView = lazyPart(async () => ({
  default: (await import('../experiments/experiment-view.tsx')).ExperimentView,
}))

/** The workflow of a task: text, picture and problems of one document. */
const DefinitionTab = ({ collection, task }: TaskPlaceProps) => {
  useTitle('Definition', task, collection)
  const read = useTask(collection, task)
  if (read.error && !read.data) return <Problem error={read.error} onRetry={() => void read.refetch()} />
  return read.data ? <Definition collection={collection} task={task} read={read.data} /> : <main className="flex-1" />
}

type View = 'problems' | 'steps' | 'graph' | 'trial'

/** Text and panel side by side need 768 px; below that the panel covers the text. */
const isNarrow = (): boolean => window.matchMedia('(max-width: 767px)').matches

const Definition = ({ collection, task, read }: TaskPlaceProps & { read: ReadTask }) => {
  const mayWrite = useMayWrite()
  const draft = useDraft(
    read,
    ({ workflowText }) => prettyJson(workflowText),
    ({ workflowText }, edited) => edited !== prettyJson(workflowText),
  )
  const { base, edited: text, isChanged } = draft

  const { check, error, isBroken } = useWorkflowCheck(collection, task, text)
  const complete = useCompletion(check?.steps ?? [])
  const editor = useRef<EditorHandle>(null)
  const { from } = useSearch({ strict: false })
  const [chosenView, setView] = useState<View>()
  const [step, setStep] = useState<string>()
  const [trial, setTrial] = useState<string>()
  const [isOpen, setOpen] = useState(() => !isNarrow())
  const choose = (name: string) => {
    setStep(name)
    setView('steps')
    editor.current?.show(`/step_configs/${name}`)
  }
  const showInText = (pointer: string) => {
    if (isNarrow()) setOpen(false)
    editor.current?.show(pointer)
  }
  const problems = check?.problems ?? []
  const view = chosenView ?? (problems.length > 0 ? 'problems' : 'steps')
  const known = check?.steps.some(({ name }) => name === step) ? step : undefined
  return (
    <main className="flex min-h-0 flex-1 flex-col">
      <h1 className="sr-only">Definition of {task}</h1>
      <SaveBar
        place={{ collection, task }}
        base={base}
        text={text}
        isChanged={isChanged}
        isBroken={isBroken}
        mayWrite={mayWrite}
        onSaved={draft.saved}
        onReset={draft.reset}
        beside={
          !problems.some(({ severity }) => severity === 'error') && (
            <Suspense>
              <TryDraft
                place={{ collection, task }}
                text={text}
                onStarted={(id) => {
                  setTrial(id)
                  setView('trial')
                  setOpen(true)
                }}
              />
            </Suspense>
          )
        }
        next={
          <>
            <Suspense>
              <TagSaved place={{ collection, task }} saved={base} />
            </Suspense>
            <RunAgain place={{ collection, task }} />
          </>
        }
      />
      <TabbedSplit<View>
        label="steps and problems"
        stored="definition-panel"
        isOpen={isOpen}
        onOpen={setOpen}
        open="Steps and problems"
        views="Views of the workflow"
        tabs={[
          { name: 'graph', text: 'Graph' },
          { name: 'steps', text: 'Steps', count: String(check?.steps_total ?? 0) },
          { name: 'problems', text: 'Problems', count: String(problems.length) },
          ...(trial === undefined ? [] : [{ name: 'trial', text: 'Trial' } as const]),
        ]}
        current={view}
        onSelect={setView}
        panel={
          <>
            {error && <Problem error={error} />}
            {view === 'problems' && <ProblemList problems={problems} isBroken={isBroken} onShow={showInText} />}
            {view === 'trial' && trial !== undefined && (
              <Suspense>
                <div className="p-4">
                  <ExperimentView key={trial} place={{ collection, task }} id={trial} mayWrite={mayWrite} />
                </div>
              </Suspense>
            )}
            {view === 'graph' && check && (
              <Suspense>
                <WorkflowGraphView check={check} chosen={step} onChoose={choose} />
              </Suspense>
            )}
            {view === 'steps' && check && known === undefined && (
              <>
                <StepList check={check} onChoose={choose} />
                {mayWrite && !isBroken && <AddStep workflowText={text} editor={editor} onAdded={choose} />}
              </>
            )}
            {view === 'steps' && check && known !== undefined && (
              <TryPanel
                key={known}
                {...{ collection, task, check }}
                workflowText={text}
                step={known}
                mayTry={mayWrite && !isBroken}
                {...{ mayWrite, editor }}
                onClose={() => setStep(undefined)}
              />
            )}
          </>
        }
      >
        <Suspense>
          <JsonEditor
            key={`${base.task.id} ${draft.opened}`}
            label={`Workflow of ${task}`}
            text={text}
            onChange={draft.setEdited}
            problems={problems}
            isReadOnly={!mayWrite}
            complete={complete}
            onSave={() => document.getElementById('save-workflow')?.click()}
            handle={editor}
            first={from === undefined ? undefined : `/step_configs/${from}`}
          />
        </Suspense>
      </TabbedSplit>
    </main>
  )
}

export default DefinitionTab
