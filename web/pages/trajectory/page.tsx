import { type QueryKey, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { type ReactNode, Suspense, useCallback, useDeferredValue, useMemo, useRef, useState } from 'react'
import type { RunSummaryEvent } from '../../../src/model/runs/run-events.ts'
import { api } from '../../data/api.ts'
import { useNarrow, useTitle } from '../../data/browser.ts'
import { keys } from '../../data/keys.ts'
import { refreshSoon } from '../../data/refresh-soon.ts'
import { isObserved, isOpen, type Run, type RunAddress, type RunStep, stepsInOrder } from '../../data/run.ts'
import { changeRun, initParamsQuery, loadedPartsOf, runQuery, useRunLog, useWholeStep } from '../../data/run-query.ts'
import { lazyPart } from '../../data/server-away.ts'
import { useStream } from '../../data/stream.ts'
import { addToTranscripts } from '../../data/transcript.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { JsonTree } from '../../parts/json-tree/json-tree.tsx'
import { Log } from '../../parts/log/log.tsx'
import { plainText } from '../../parts/log/plain-text.ts'
import { Media } from '../../parts/media/media.tsx'
import { filesNamedIn, shownAs } from '../../parts/media/media-kind.ts'
import { environmentHref, PageLink } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import type { RerunWish } from '../../parts/run-commands.ts'
import { Split } from '../../parts/split.tsx'
import type { PanelName } from '../../parts/step-panel/panel-tabs.ts'
import { type TimelineRow, timelineRows, toggledFor } from '../../parts/timeline/rows.ts'
import { type Scroller, Timeline } from '../../parts/timeline/timeline.tsx'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'
import { StatusMark } from '../../ui/status.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { type FirstAction, firstStepToShow, type Trouble, troubleOf } from './failure.ts'
import { RunHeader } from './header.tsx'
import { RerunDialog, useRerun } from './rerun.tsx'
import { useRunKeys, useSelection, type ViewName, viewNames } from './selection.ts'
import { SidePanel } from './side-panel.tsx'

/** Keys of what an event makes stale. */
const staleAfter = (place: RunAddress, event: RunSummaryEvent, known: Run | undefined): QueryKey[] => {
  const run = runQuery(place).queryKey
  switch (event.event) {
    // What was read before the stream began may lack what happened in between.
    case 'snapshot':
      return loadedPartsOf(place)
    case 'step':
      return [keys.stepValues(place, event.data.key), keys.runLog(place)]
    case 'log':
      return [keys.runLog(place)]
    // No event says when a run started and ended, nor for how long.
    case 'status':
      return known?.started === null && event.data.status !== 'pending' ? [run] : []
    case 'end':
      return [run, keys.runLog(place)]
    default:
      return []
  }
}

/** Follows a run into the cache while it is open and its page is seen. */
const useLiveRun = (place: RunAddress, run: Run | undefined): void => {
  const client = useQueryClient()
  useStream<RunSummaryEvent & { id: string | undefined }>({
    of: `run ${place.collection}/${place.task}/${place.id}`,
    open: (headers, signal) => {
      const params = { collection: place.collection, task: place.task, trajectory_id: place.id }
      return api.watchTrajectory({ params, query: { view: 'summary' }, headers, signal })
    },
    onEvents: (events) => {
      changeRun(client, place, events)
      for (const event of events) for (const key of staleAfter(place, event, run)) refreshSoon(client, key)
      const logs = events.flatMap((one) => (one.event === 'log' ? [one.data] : []))
      addToTranscripts(client, place, logs)
    },
    isOn: run !== undefined && isOpen(run),
  })
}

const isRunbook = ({ activity }: RunStep): boolean => activity === 'runbook'

/** The runbook step that a run is shown for: the chosen one, or the last one; undefined when it has none. */
export const runbookStepOf = (run: Pick<Run, 'steps'>, chosen: string | undefined): RunStep | undefined => {
  const runbooks = stepsInOrder(run).filter(isRunbook)
  return runbooks.find(({ key }) => key === chosen) ?? runbooks.at(-1)
}

/** The view that a run opens with: a runbook that works shows its transcript, one that ended what it made. */
export const firstViewOf = (run: Pick<Run, 'steps' | 'total_steps'>): ViewName => {
  const step = runbookStepOf(run, undefined)
  if (!step || run.total_steps.length > 1) return 'timeline'
  return step.ended === null ? 'transcript' : 'result'
}

const mostFiles = 200

/** The stored files of a run: what was sent with it and what its steps made. */
const RunFiles = ({ place, run }: { place: RunAddress; run: Run }) => {
  const { collection, task, id } = place
  const { data, error, refetch } = useQuery({
    queryKey: ['run-files', collection, task, id, run.completed_steps.length, run.status],
    queryFn: ({ signal }) =>
      api.listRunFiles({ params: { collection, task, trajectory_id: id }, query: { limit: mostFiles }, signal }),
  })
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  if (data.files.length === 0) {
    return <Empty title="No files">Neither was a file sent with this run, nor has a step stored one.</Empty>
  }
  return (
    <div className="grid min-h-0 flex-1 auto-rows-max grid-cols-1 content-start items-start gap-3 overflow-auto p-4 lg:grid-cols-2">
      {data.files.map((file) => (
        <Media
          key={file.path}
          file={{
            path: file.path,
            name: file.name,
            contentType: file.content_type,
            size: file.size,
            kind: shownAs(file.name, file.content_type),
          }}
        />
      ))}
      {data.next_cursor !== null && (
        <p className="text-muted">These are the first {mostFiles} files. The download of the run has all of them.</p>
      )}
    </div>
  )
}

const Graph = lazyPart(() => import('../../parts/graph/graph.tsx'))
const RunbookView = lazyPart(() => import('./runbook-views.tsx'))

interface RunViewsProps {
  run: Run
  place: RunAddress
  rows: readonly TimelineRow[]
  view: ViewName
  chosen: string | undefined
  /** The runbook step whose result and transcript are shown. */
  runbook: RunStep | undefined
  onView: (view: ViewName) => void
  onChoose: (id: string) => void
  onOpen: (id: string) => void
  scroller: Scroller
}

const runbookTabs = [
  { name: 'result', text: 'Result' },
  { name: 'transcript', text: 'Transcript' },
] satisfies { name: ViewName; text: string }[]

const tabs = [
  { name: 'timeline', text: 'Timeline' },
  { name: 'graph', text: 'Graph' },
  { name: 'log', text: 'Log' },
  { name: 'input', text: 'Input' },
  { name: 'files', text: 'Files' },
] satisfies { name: ViewName; text: string }[]

/** A trace follows no definition, stores no file and brings no log. */
const tracedTabs = tabs.filter(({ name }) => name === 'timeline' || name === 'input')

/** The ways to look at a run; what is chosen in one is chosen in all. */
const RunViews = (props: RunViewsProps) => (
  <>
    <Tabs
      label="Views of the run"
      tabs={isObserved(props.run) ? tracedTabs : props.runbook ? [...runbookTabs, ...tabs] : tabs}
      current={props.view}
      onSelect={props.onView}
      className="shrink-0 border-line border-b px-4"
    />
    <div role="tabpanel" aria-label={props.view} className="flex min-h-0 flex-1 flex-col">
      <View {...props} />
    </div>
  </>
)

const View = ({ run, place, rows, view, chosen, runbook, onChoose, onOpen, scroller }: RunViewsProps) => {
  switch (view) {
    case 'result':
    case 'transcript':
      return (
        runbook && (
          <Suspense fallback={<p className="p-4 text-muted">Loading…</p>}>
            <RunbookView run={run} place={place} step={runbook} view={view} />
          </Suspense>
        )
      )
    case 'graph':
      return (
        <Suspense fallback={<p className="p-4 text-muted">Loading…</p>}>
          <Graph run={run} chosen={chosen} onChoose={onChoose} />
        </Suspense>
      )
    case 'log':
      return <RunLog run={run} place={place} chosen={chosen} onChoose={onChoose} />
    case 'input':
      return <RunInput place={place} />
    case 'files':
      return <RunFiles place={place} run={run} />
    default:
      return <Timeline run={run} rows={rows} chosen={chosen} onChoose={onChoose} onOpen={onOpen} scroller={scroller} />
  }
}

const RunLog = ({ run, place, chosen, onChoose }: Pick<RunViewsProps, 'run' | 'place' | 'chosen' | 'onChoose'>) => {
  const { data, error, refetch } = useRunLog(place, run)
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  return (
    <Log
      events={data.events}
      step={chosen}
      onChoose={onChoose}
      note={data.next_cursor === null ? undefined : `the first ${data.events.length} lines`}
    />
  )
}

const RunInput = ({ place }: { place: RunAddress }) => {
  const { data, error, refetch } = useQuery(initParamsQuery(place))
  const files = useMemo(() => filesNamedIn(data, place.collection), [data, place.collection])
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-4 overflow-auto p-4">
      <JsonTree value={data} path="init_params" label="init_params" />
      {files.map((file) => (
        <Media key={file.path} file={file} />
      ))}
    </div>
  )
}

const looks = {
  bad: { mark: 'failed', frame: 'border-bad' },
  part: { mark: 'partial', frame: 'border-bad' },
  wait: { mark: 'waiting', frame: 'border-wait' },
  idle: { mark: 'cancelled', frame: 'border-line' },
}

/** Shows a step, and of it a part of the panel. */
type ShowStep = (step: string, panel?: PanelName) => void

interface BannerProps {
  run: Run
  trouble: Trouble
  onShow: ShowStep
  onRerun: (from: string) => void
  /** Buttons of a decision that the run waits for. */
  decision?: ReactNode
}

/** What failed, and what to do first. */
const Banner = ({ run, trouble, onShow, onRerun, decision }: BannerProps) => {
  const { tone, step, message, cause, hint, others, action } = trouble
  const look = looks[tone]
  return (
    <div
      role={tone === 'bad' ? 'alert' : 'status'}
      className={`mx-4 mb-2 flex flex-wrap items-start gap-x-3 gap-y-2 rounded-m border px-3 py-2 ${look.frame}`}
    >
      <StatusMark of={look.mark} className="mt-[3px]" />
      <div className="max-h-32 min-w-60 flex-1 overflow-y-auto">
        <p className="[overflow-wrap:anywhere]">
          {step !== undefined && (
            <button type="button" onClick={() => onShow(step)} className="font-medium hover:underline">
              {step}:
            </button>
          )}{' '}
          {plainText(message.replace(`Step '${step}': `, ''))}
          {others > 0 && <span className="text-muted"> and {others} more</span>}
        </p>
        {cause && <p className="text-12 text-muted [overflow-wrap:anywhere]">{plainText(cause)}</p>}
        {hint && <p className="text-muted [overflow-wrap:anywhere]">→ {plainText(hint)}</p>}
      </div>
      {decision ?? <ActionButton run={run} step={step} action={action} onShow={onShow} onRerun={onRerun} />}
    </div>
  )
}

interface ActionProps {
  run: Run
  step: string | undefined
  action: FirstAction
  onShow: ShowStep
  onRerun: (from: string) => void
}

/** Address of the definition, which offers to run this run again once it is saved. */
const definitionHref = ({ collection, task, trajectory_id: mends }: Run, from: string | undefined): string =>
  `/${[collection, task].map(encodeURIComponent).join('/')}?${new URLSearchParams({ tab: 'definition', mends, ...(from === undefined ? {} : { from }) })}`

const ActionButton = ({ run, step, action, onShow, onRerun }: ActionProps) => {
  const { collection } = run
  switch (action.kind) {
    case 'show':
      return <Button onClick={() => onShow(action.step)}>Go to {action.step}</Button>
    case 'rerun':
      return <Button onClick={() => onRerun(action.step)}>Run again from {action.step}</Button>
    case 'runs':
      return <Button onClick={() => onShow(action.step, 'runs')}>Show the failed runs</Button>
    case 'child':
      return (
        <Link
          to="/$collection/$task/$id"
          params={{ collection, task: action.task, id: action.id }}
          className={buttonClass()}
        >
          Open the run that failed
        </Link>
      )
    case 'environment':
      return (
        <PageLink href={environmentHref(action.collection)} className={buttonClass()}>
          Set a key
        </PageLink>
      )
    case 'definition':
      return (
        <PageLink href={definitionHref(run, step)} className={buttonClass()}>
          Open the definition
        </PageLink>
      )
    default:
      return null
  }
}

const viewOf = (run: Run, wanted: ViewName | undefined): ViewName =>
  isObserved(run) && wanted !== 'input' ? 'timeline' : (wanted ?? firstViewOf(run))

/** The page of a run that is loaded. */
const RunBody = ({ place, run }: { place: RunAddress; run: Run }) => {
  const [selection, change] = useSelection()
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set())
  const [isEditing, setEditing] = useState(false)
  const isNarrow = useNarrow()
  const mayWrite = useMayWrite()
  const rerun = useRerun(place)
  const scroller = useRef<Scroller>({})

  const first = useMemo(() => firstStepToShow(run), [run])
  const runbook = useMemo(() => runbookStepOf(run, selection.step), [run, selection.step])
  const view = useMemo(() => viewOf(run, selection.view), [run, selection.view])
  const isOfRunbook = view === 'result' || view === 'transcript'
  const chosen = selection.step ?? (isNarrow || isOfRunbook ? undefined : first)
  const failed = useWholeStep(
    place,
    run.status === 'failed' && first !== undefined && run.steps[first] ? first : undefined,
  ).data
  const trouble = useMemo(() => troubleOf(run, failed), [run, failed])
  const rows = useMemo(() => {
    const steps = stepsInOrder(run)
    const of = { steps, total: run.total_steps }
    return timelineRows(
      steps,
      run.total_steps,
      selection.step === undefined ? toggled : toggledFor(selection.step, toggled, of),
    )
  }, [run, toggled, selection.step])

  const choose = useCallback((step: string) => change({ step }), [change])
  const toggle = useCallback((id: string) => {
    setToggled((was) => {
      const next = new Set(was)
      if (!next.delete(id)) next.add(id)
      return next
    })
  }, [])
  const { mutate } = rerun
  const start = useCallback((choice: RerunWish) => mutate(choice), [mutate])
  const rerunFrom = (from: string) => start({ from })
  const edit = useCallback(() => setEditing(true), [])
  useRunKeys({ run, rows, chosen, view, choose, toggle, change, scroller: scroller.current })

  // A decision stands in the panel already, with the same words.
  const isShown = trouble?.tone === 'wait' && !isNarrow && chosen === trouble.step
  // The mark moves at once, and what stands beside it a moment later: quick moves skip it.
  const wanted = useMemo(() => ({ chosen, panel: selection.panel }), [chosen, selection.panel])
  const shown = useDeferredValue(wanted)
  const canRerunFrom =
    shown.chosen !== undefined && run.steps[shown.chosen] !== undefined && !isOpen(run) ? shown.chosen : undefined
  const panel = useMemo(
    () =>
      shown.chosen !== undefined && (
        <SidePanel
          {...{ run, place, mayWrite, isNarrow }}
          chosen={shown.chosen}
          wanted={shown.panel}
          onSelect={(panel) => change({ panel })}
          onChoose={choose}
          onClose={() => change({ step: undefined, panel: undefined })}
          onRerun={start}
        />
      ),
    [run, place, mayWrite, isNarrow, shown, change, choose, start],
  )
  return (
    <main className="flex min-h-0 flex-1 flex-col">
      <RunHeader
        run={run}
        place={place}
        step={canRerunFrom}
        failedStep={trouble?.tone === 'bad' ? trouble.step : undefined}
        mayWrite={mayWrite}
        isStarting={rerun.isPending}
        onRerun={start}
        onEdit={edit}
      />
      {trouble && !isShown && (
        <Banner run={run} trouble={trouble} onShow={(step, panel) => change({ step, panel })} onRerun={rerunFrom} />
      )}
      <Split label="the step" stored="panel-width" first={42} panel={panel}>
        <RunViews
          run={run}
          place={place}
          rows={rows}
          view={runbook === undefined && isOfRunbook ? 'timeline' : view}
          runbook={runbook}
          chosen={chosen}
          onView={(view) => change({ view: viewNames.find((name) => name === view) ?? 'timeline' })}
          onChoose={choose}
          onOpen={toggle}
          scroller={scroller.current}
        />
      </Split>
      {isEditing && (
        <RerunDialog run={run} place={place} step={canRerunFrom} onClose={() => setEditing(false)} onRerun={start} />
      )}
    </main>
  )
}

/** One run: what failed, where the time went, what each step read and made. */
export const RunPage = () => {
  const { collection = '', task = '', id = '' } = useParams({ strict: false })
  return <RunAt key={`${collection}/${task}/${id}`} place={{ collection, task, id }} />
}

const RunAt = ({ place }: { place: RunAddress }) => {
  const { data: run, error, refetch } = useQuery(runQuery(place))
  useLiveRun(place, run)
  useTitle(place.id, place.task, place.collection)
  if (error && !run) return <Problem error={error} onRetry={() => void refetch()} />
  if (!run) return <main aria-busy className="p-4 text-muted" />
  return <RunBody place={place} run={run} />
}
