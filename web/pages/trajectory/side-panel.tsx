import { useState } from 'react'
import { isObserved, type Run, type RunAddress, type RunStep, stepsInOrder } from '../../data/run.ts'
import { useWholeStep } from '../../data/run-query.ts'
import { asksModel } from '../../parts/conversation/conversation.ts'
import { Decide } from '../../parts/decide.tsx'
import { PageLink } from '../../parts/page-link.tsx'
import {
  type RerunWish,
  rerunCommand,
  sendEventCommand,
  sendEventRequest,
  stepCommand,
} from '../../parts/run-commands.ts'
import { StepPanel } from '../../parts/step-panel/panel.tsx'
import type { PanelName } from '../../parts/step-panel/panel-tabs.ts'
import { loopId, loopsOf } from '../../parts/timeline/rows.ts'
import { agoText, durationText } from '../../text/times.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Popover } from '../../ui/popover.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { AddToDataset } from './add-to-dataset.tsx'

/** Says which event a step waits for, and how to send it. */
const AwaitedEventBox = ({ place, step }: { place: RunAddress; step: RunStep }) => {
  const { data: whole } = useWholeStep(place, step.key)
  const begun = whole?.logs?.findLast(({ type }) => type === 'event_awaited')
  if (!begun) return null
  const { event, key, expires_at: expiresAt } = begun.attributes
  const awaited = { collection: place.collection, event: String(event), key: String(key) }
  return (
    <div className="flex flex-col gap-2 rounded-m border border-wait p-3">
      <p className="[overflow-wrap:anywhere]">
        Waits for event <code className="font-mono">{awaited.event}</code> with key{' '}
        <code className="font-mono">{awaited.key}</code>
      </p>
      <p className="text-12 text-muted">
        Waits since {agoText(begun.timestamp, Date.now())}
        {typeof expiresAt === 'string' ? `, and stops ${agoText(expiresAt, Date.now())}.` : '.'}
      </p>
      <CopyLine text={sendEventCommand(awaited)} />
      <CopyLine text={sendEventRequest(awaited, window.location.origin)} />
    </div>
  )
}

interface SidePanelProps {
  run: Run
  place: RunAddress
  /** A step, a loop, or a step that has not begun. */
  chosen: string
  wanted: string | undefined
  mayWrite: boolean
  isNarrow: boolean
  onSelect: (panel: PanelName) => void
  onChoose: (step: string) => void
  onClose: () => void
  onRerun: (choice: RerunWish) => void
}

/** What the page says about whatever is chosen. Where the window is narrow it is a page of its own, with a way back. */
export const SidePanel = (props: SidePanelProps) => (
  <div className="flex h-full min-h-0 flex-col">
    {props.isNarrow && (
      <div className="shrink-0 border-line border-b px-2 py-1">
        <Button look="quiet" icon="left" onClick={props.onClose}>
          All steps
        </Button>
      </div>
    )}
    <div className="min-h-0 flex-1">
      <Chosen {...props} />
    </div>
  </div>
)

const Chosen = (props: SidePanelProps) => {
  const { run, place, chosen, wanted, mayWrite, onSelect, onChoose, onRerun } = props
  const step = run.steps[chosen]
  if (!step) return <NoStep {...props} />
  const waiting = run.waiting?.find((one) => one.step === chosen)
  return (
    <StepPanel
      run={run}
      place={place}
      step={step}
      wanted={wanted}
      onSelect={onSelect}
      onChoose={onChoose}
      actions={
        <StepActions
          run={run}
          place={place}
          step={chosen}
          asked={asksModel(step) ? chosen : undefined}
          mayWrite={mayWrite}
          onRerun={onRerun}
        />
      }
      decision={
        (waiting || step.wait?.for === 'event') && (
          <div className="mx-4 mt-2">
            {waiting ? (
              <Decide key={waiting.step} run={run} waiting={waiting} mayWrite={mayWrite} />
            ) : (
              <AwaitedEventBox key={step.key} place={place} step={step} />
            )}
          </div>
        )
      }
    />
  )
}

interface StepActionsProps {
  run: Run
  place: RunAddress
  step: string
  /** The same step, where it asked a model. */
  asked: string | undefined
  mayWrite: boolean
  onRerun: (choice: RerunWish) => void
}

/** Address of the playground with what a step asked a model. */
const playgroundHref = ({ collection, task, trajectory_id: id }: Run, step: string): string =>
  `/-/playground?${new URLSearchParams({ from: [collection, task, id, step].join('/') })}`

const StepActions = ({ run, place, step, asked, mayWrite, onRerun }: StepActionsProps) => {
  const [isAdding, setAdding] = useState(false)
  return (
    <span className="flex shrink-0 flex-wrap justify-end gap-1">
      {isAdding && <AddToDataset place={place} step={step} onClose={() => setAdding(false)} />}
      {asked !== undefined && (
        <PageLink
          href={playgroundHref(run, asked)}
          className={buttonClass('plain')}
          title="Ask the same in the playground"
        >
          Playground
        </PageLink>
      )}
      {asked !== undefined && mayWrite && run.ended !== null && (
        <Button icon="plus" onClick={() => setAdding(true)} title="Make an item of a dataset of this call">
          Dataset
        </Button>
      )}
      {mayWrite && run.ended !== null && !isObserved(run) && (
        <Button icon="again" onClick={() => onRerun({ from: step })} title={`Run again from ${step}`}>
          From here
        </Button>
      )}
      <Popover
        label="Commands for this step"
        button={<Icon name="dots" />}
        side="left"
        className="inline-flex size-7 items-center justify-center rounded-m text-muted hover:bg-sunk"
      >
        {() => (
          <div className="flex w-110 max-w-full flex-col gap-3">
            <p className="text-12 text-muted">Show this step:</p>
            <CopyLine text={stepCommand(run, step)} />
            {!isObserved(run) && (
              <>
                <p className="text-12 text-muted">Run again from it:</p>
                <CopyLine text={rerunCommand(run, { from: step })} />
              </>
            )}
          </div>
        )}
      </Popover>
    </span>
  )
}

/** A loop, or a step that did not run. */
const NoStep = ({ run, chosen, onChoose }: SidePanelProps) => {
  const steps = stepsInOrder(run)
  const loop = loopsOf(steps, new Set(run.total_steps)).find((one) => loopId(one) === chosen)
  if (!loop) {
    return (
      <div className="p-4">
        <h2 className="font-semibold text-15 [overflow-wrap:anywhere]">{chosen}</h2>
        <p className="mt-2 text-muted">
          {run.ended === null ? 'This step has not begun.' : 'This step did not run: the run ended before it.'}
        </p>
      </div>
    )
  }
  return (
    <div className="h-full overflow-auto p-4">
      <h2 className="mb-2 font-semibold text-15">
        {loop.counter} · {loop.turns} turns
      </h2>
      <ul>
        {steps.slice(loop.first, loop.last + 1).map((step) => (
          <li key={step.key}>
            <button
              type="button"
              onClick={() => onChoose(step.key)}
              className="flex w-full items-center gap-2 rounded-s px-1 py-1 text-left hover:bg-sunk"
            >
              <StatusMark of={step.status} label={statusWord(step.status)} />
              <span className="min-w-0 flex-1 truncate">{step.key}</span>
              <span className="text-12 text-muted">{durationText(step.duration_seconds)}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
