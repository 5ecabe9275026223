import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { type ReactNode, useCallback, useDeferredValue, useMemo, useRef, useState } from 'react'
import { useLiveRun } from '../../data/live-run.ts'
import { useNarrow } from '../../data/narrow.ts'
import { isOpen, type Run, type RunAddress, stepsInOrder } from '../../data/run.ts'
import { runQuery } from '../../data/run-query.ts'
import { useWholeStep } from '../../data/step.ts'
import { useStored, writeStored } from '../../data/stored.ts'
import { useTitle } from '../../data/title.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { plainText } from '../../parts/log/plain-text.ts'
import { environmentHref, PageLink } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import type { RerunWish } from '../../parts/run-commands.ts'
import type { PanelName } from '../../parts/step-panel/panel-tabs.ts'
import { loopAround, timelineRows } from '../../parts/timeline/rows.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Split } from '../../ui/split.tsx'
import { StatusMark } from '../../ui/status.tsx'
import { type FirstAction, firstStepToShow, type Trouble, troubleOf } from './failure.ts'
import { RunHeader } from './header.tsx'
import { RerunDialog, useRerun } from './rerun.tsx'
import { useRunKeys } from './run-keys.ts'
import { RunViews } from './run-views.tsx'
import { firstViewOf, runbookStepOf } from './runbook-step.ts'
import { useSelection, viewNames } from './selection.ts'
import { SidePanel } from './side-panel.tsx'

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

/** The page of a run that is loaded. */
const RunBody = ({ place, run }: { place: RunAddress; run: Run }) => {
  const [selection, change] = useSelection()
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set())
  const [isEditing, setEditing] = useState(false)
  const isNarrow = useNarrow()
  const mayWrite = useMayWrite()
  const width = Number(useStored('panel-width') ?? 42)
  const rerun = useRerun(place)
  const scroller = useRef<{ show?: (row: number) => void }>({})

  const first = useMemo(() => firstStepToShow(run), [run])
  const runbook = useMemo(() => runbookStepOf(run, selection.step), [run, selection.step])
  const view = useMemo(() => selection.view ?? firstViewOf(run), [run, selection.view])
  const isOfRunbook = view === 'result' || view === 'transcript'
  const chosen = selection.step ?? (isNarrow || isOfRunbook ? undefined : first)
  const failed = useWholeStep(
    place,
    run.status === 'failed' && first !== undefined && run.steps[first] ? first : undefined,
  ).data
  const trouble = useMemo(() => troubleOf(run, failed), [run, failed])
  // A chosen step within a closed loop opens it.
  const shownLoops = useMemo(() => {
    const around =
      selection.step === undefined ? undefined : loopAround(selection.step, stepsInOrder(run), run.total_steps)
    return around === undefined ? opened : new Set([...opened, around])
  }, [opened, run, selection.step])
  const rows = useMemo(() => timelineRows(stepsInOrder(run), run.total_steps, shownLoops), [run, shownLoops])

  const choose = useCallback((step: string) => change({ step }), [change])
  const toggle = useCallback((id: string) => {
    setOpened((was) => {
      const next = new Set(was)
      if (!next.delete(id)) next.add(id)
      return next
    })
  }, [])
  const { mutate } = rerun
  const start = useCallback((choice: RerunWish) => mutate(choice), [mutate])
  const rerunFrom = (from: string) => start({ from })
  const edit = useCallback(() => setEditing(true), [])
  useRunKeys({ run, rows, chosen, view, choose, change, scroller: scroller.current })

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
      <Split
        label="the step"
        percent={width}
        onResize={(percent) => writeStored('panel-width', String(Math.round(percent)))}
        panel={panel}
      >
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
