import { memo, useMemo } from 'react'
import { isCarriedOver, type Run, type RunStep, stepsInOrder } from '../../data/run.ts'
import { countText, usdText } from '../../text/numbers.ts'
import { durationText } from '../../text/times.ts'
import { Icon } from '../../ui/icon.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { leadingStatus } from '../graph/run-graph.ts'
import { batchText, jobText } from '../job-text.ts'
import { plainText } from '../log/plain-text.ts'
import { failedShare, statusOfStep } from '../status-of-step.ts'
import { Bar, extentOf, type Stretch, stretchesOf } from './bar.tsx'
import { depthOf, isOpenRow, type StatusCounts, type TimelineRow } from './rows.ts'
import { usedBy } from './span-tree.ts'
import { makeTimeScale, type Span, type TimeScale } from './time-scale.ts'

/** The steps of a run over time. */
export interface Lanes {
  /** Stretches of each step, by its key. */
  stretches: ReadonlyMap<string, readonly Stretch[]>
  busy: (Span & { failed?: boolean })[]
  /** From the beginning of the run to its end, or to now. */
  scale: TimeScale
}

/** Lays the steps of a run out over time. */
export const lanesOf = (run: Run, now: number): Lanes => {
  const stretches = new Map<string, Stretch[]>()
  const busy: Lanes['busy'] = []
  let to = run.ended === null ? now : Date.parse(run.ended)
  for (const step of stepsInOrder(run)) {
    const of = isCarriedOver(run, step) ? [] : stretchesOf(step, now)
    stretches.set(step.key, of)
    for (const one of of) {
      to = Math.max(to, one.to)
      if (one.kind === 'execute' || one.kind === 'failed-try') busy.push(busySpan(one, step))
    }
  }
  const from = Date.parse(run.started ?? run.created)
  return { stretches, busy, scale: makeTimeScale({ from, to: Math.max(to, from) }, busy) }
}

const busySpan = ({ from, to, kind }: Stretch, { status }: RunStep) => ({
  from,
  to,
  failed: kind === 'failed-try' || status === 'failed',
})

/** A scale over a part of the run, from the places of its beginning and end on the whole scale. */
export const scaleOfPart = ({ scale, busy }: Lanes, { from, to }: Span): TimeScale =>
  from === 0 && to === 1 ? scale : makeTimeScale({ from: scale.moment(from), to: scale.moment(to) }, busy)

/** Joins the stretches of many steps for the row of a group, so that it draws at most `most`. */
const joinedStretches = (steps: readonly RunStep[], { stretches }: Lanes, most = 60): Stretch[] => {
  const all = steps.flatMap(({ key }) => [...(stretches.get(key) ?? [])])
  if (all.length <= most) return all
  const first = Math.min(...all.map(({ from }) => from))
  const last = Math.max(...all.map(({ to }) => to))
  const size = Math.max(1, (last - first) / most)
  const joined = new Map<number, Stretch>()
  for (const one of all) {
    const at = Math.floor((one.from - first) / size)
    const known = joined.get(at)
    joined.set(at, known ? { ...known, to: Math.max(known.to, one.to) } : one)
  }
  return [...joined.values()]
}

export const rowHeight = 28
/** Columns of a row: its name, its bar, its duration; before that its tokens and its cost where `hasUsage`. */
export const rowGrid = (hasUsage: boolean): string =>
  hasUsage
    ? 'grid grid-cols-[clamp(8rem,40%,22rem)_minmax(0,1fr)_3rem_4rem_4.5rem] gap-2'
    : 'grid grid-cols-[clamp(8rem,34%,18rem)_minmax(0,1fr)_4.5rem] gap-2'

interface RowProps {
  row: TimelineRow
  place: number
  hasUsage: boolean
  lanes: Lanes
  scale: TimeScale
  isChosen: boolean
  isEnded: boolean
  onChoose: (id: string) => void
  onOpen: (id: string) => void
}

/** One line of the timeline. */
export const TimelineLine = memo(
  ({ row, place, hasUsage, lanes, scale, isChosen, isEnded, onChoose, onOpen }: RowProps) => {
    const depth = depthOf(row)
    const isOpen = isOpenRow(row)
    const status =
      row.kind === 'step'
        ? statusOfStep(row.step)
        : row.kind === 'loop'
          ? leadingStatus(row.counts)
          : isEnded
            ? 'skipped'
            : 'pending'
    return (
      // biome-ignore lint/a11y/useKeyWithClickEvents: the grid around it takes the keys
      <div
        id={`row-${place}`}
        role="row"
        tabIndex={-1}
        aria-selected={isChosen}
        aria-level={depth + 1}
        aria-rowindex={place + 1}
        aria-expanded={isOpen}
        onClick={() => {
          onChoose(row.id)
          if (row.kind === 'loop') onOpen(row.id)
        }}
        className={`${rowGrid(hasUsage)} contain-strict absolute inset-x-0 cursor-default items-center px-4 ${isChosen ? 'bg-selection' : 'hover:bg-sunk'}`}
        style={{ top: place * rowHeight, height: rowHeight }}
      >
        <span
          role="gridcell"
          className="flex min-w-0 items-center gap-2"
          // However deep it is, its name can be read.
          style={{ paddingLeft: `min(${depth * 14}px, 45%)` }}
        >
          {isOpen !== undefined && (
            // biome-ignore lint/a11y/noStaticElementInteractions: a place to click; the arrows of the grid do the same
            // biome-ignore lint/a11y/useKeyWithClickEvents: the same
            <span
              className="-my-1 -mr-1 -ml-1.5 shrink-0 py-1 text-muted"
              onClick={(event) => {
                event.stopPropagation()
                onChoose(row.id)
                onOpen(row.id)
              }}
            >
              <Icon name={isOpen ? 'down' : 'right'} />
            </span>
          )}
          <StatusMark of={status} label={statusWord(status)} />
          <span className="flex min-w-0 items-baseline gap-2">
            <Name row={row} />
          </span>
        </span>
        <RowBar row={row} lanes={lanes} scale={scale} status={status} />
        {hasUsage && <RowUsage row={row} />}
        <RowTime row={row} lanes={lanes} isEnded={isEnded} />
      </div>
    )
  },
)

const waits: Record<NonNullable<RunStep['wait']>['for'], string> = {
  time: 'sleeps',
  retry: 'before its next attempt',
  approval: 'for a person',
  event: 'for an event',
  runs: 'for its runs',
  sandbox: 'for a sandbox',
  worker: 'for a worker',
  batch: 'for a batch of a provider',
}

const noteText = ({ activity, progress, job, batches, wait, span }: RunStep): string => {
  if (progress) return progressText(progress)
  if (job) return jobText(job)
  if (batches?.[0]) return batchText(batches[0])
  if (wait) return waits[wait.for]
  if (!span) return activity
  // Many libraries name a span after these.
  return [span.kind, span.model]
    .filter((one) => one !== undefined && one !== 'span' && !span.name.includes(one))
    .join(' · ')
}

const Name = ({ row }: { row: TimelineRow }) => {
  if (row.kind === 'pending') return <span className="truncate text-muted">{row.name}</span>
  if (row.kind === 'loop') {
    return (
      <>
        <span className="truncate">
          {row.name} ×{row.turns}
        </span>
        <span className="truncate text-12 text-muted">
          {Object.keys(row.counts).length === 1 ? `${row.steps.length} steps` : countsText(row.counts)}
        </span>
      </>
    )
  }
  const { step, fold } = row
  return (
    <>
      <span className="max-w-full shrink-0 truncate">{plainText(step.span?.name ?? step.key)}</span>
      {fold && !fold.isOpen && (
        <span className="shrink-0 text-12 text-muted">
          +{fold.steps}
          {fold.failed > 0 && <span className="text-bad"> {fold.failed} ✕</span>}
        </span>
      )}
      <span className="truncate text-12 text-muted">{plainText(noteText(step))}</span>
    </>
  )
}

const marks: Record<string, string> = {
  completed: '✓',
  partial: '!',
  failed: '✕',
  running: '◔',
  cancelled: '–',
  skipped: '⇥',
  pending: '◷',
}

/** Numbers by status, in short: `11 ✓ 1 ✕`. */
export const countsText = (counts: StatusCounts): string =>
  Object.keys(marks)
    .filter((status) => counts[status])
    .map((status) => `${counts[status]} ${marks[status]}`)
    .join(' ')

const progressText = ({
  total,
  completed,
  failed,
}: {
  total: number | null
  completed: number
  failed: number
}): string => `${total ?? '?'} runs  ${countsText({ completed, failed })}`

const RowBar = ({ row, lanes, scale, status }: Pick<RowProps, 'row' | 'lanes' | 'scale'> & { status: string }) => {
  const stretches = useMemo(() => {
    if (row.kind === 'pending') return []
    return row.kind === 'step' ? (lanes.stretches.get(row.step.key) ?? []) : joinedStretches(row.steps, lanes)
  }, [row, lanes])
  const failed = row.kind === 'step' ? failedShare(row.step) : 0
  return (
    <span role="gridcell" className="relative h-full">
      <Bar stretches={stretches} scale={scale} status={status} failed={failed} />
    </span>
  )
}

/** Tokens and cost of a model call; of a span around calls, paler, those of all of them. */
const RowUsage = ({ row }: Pick<RowProps, 'row'>) => {
  const own = row.kind === 'step' ? usedBy(row.step) : undefined
  const used = own ?? (row.kind === 'step' ? row.fold?.used : undefined)
  const look = `truncate text-right text-12 tabular-nums ${own ? 'text-muted' : 'text-faint'}`
  return (
    <>
      <span role="gridcell" className={look}>
        {used && countText(used.tokens)}
      </span>
      <span role="gridcell" className={look}>
        {used && usdText(used.costUsd)}
      </span>
    </>
  )
}

const RowTime = ({ row, lanes, isEnded }: Pick<RowProps, 'row' | 'lanes' | 'isEnded'>) => {
  const text = () => {
    if (row.kind === 'pending') return isEnded ? 'not run' : ''
    if (row.kind === 'loop') {
      const extent = extentOf(joinedStretches(row.steps, lanes))
      return extent ? durationText((extent.to - extent.from) / 1000) : ''
    }
    const { step } = row
    if (step.status === 'skipped') return 'skipped'
    const stretches = lanes.stretches.get(step.key) ?? []
    if (stretches.length === 0) return 'carried over'
    const extent = extentOf(stretches.filter(({ kind }) => kind !== 'wait'))
    return durationText(step.duration_seconds ?? (extent ? (extent.to - extent.from) / 1000 : null))
  }
  return (
    <span role="gridcell" className="truncate text-right text-12 text-muted">
      {text()}
    </span>
  )
}
