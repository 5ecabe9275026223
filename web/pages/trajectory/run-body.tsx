import { useCallback, useDeferredValue, useMemo, useRef, useState } from 'react'
import { useNarrow } from '../../data/narrow.ts'
import { isOpen, type Run, type RunAddress, stepsInOrder } from '../../data/run.ts'
import { useWholeStep } from '../../data/step.ts'
import { useStored, writeStored } from '../../data/stored.ts'
import { useMayWrite } from '../../data/whoami.ts'
import type { RerunWish } from '../../parts/run-commands.ts'
import { loopAround, timelineRows } from '../../parts/timeline/rows.ts'
import { Split } from '../../ui/split.tsx'
import { Banner } from './banner.tsx'
import { firstStepToShow, troubleOf } from './failure.ts'
import { RunHeader } from './header.tsx'
import { RerunDialog, useRerun } from './rerun.tsx'
import { useRunKeys } from './run-keys.ts'
import { RunViews } from './run-views.tsx'
import { firstViewOf, runbookStepOf } from './runbook-step.ts'
import { useSelection, viewNames } from './selection.ts'
import { SidePanel } from './side-panel.tsx'

/** The page of a run that is loaded. */
export const RunBody = ({ place, run }: { place: RunAddress; run: Run }) => {
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
