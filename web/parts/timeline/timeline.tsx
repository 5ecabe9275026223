import { type KeyboardEvent, memo, type PointerEvent, useMemo, useRef, useState } from 'react'
import { useNarrow } from '../../data/browser.ts'
import { useNowWith } from '../../data/clock.ts'
import { useRows } from '../../data/rows.ts'
import { isOpen, type Run, stepsInOrder } from '../../data/run.ts'
import { durationText } from '../../text/times.ts'
import { IconButton } from '../../ui/button.tsx'
import { withPlaces } from '../with-places.ts'
import { type Lanes, lanesOf, rowGrid, rowHeight, scaleOfPart, TimelineLine } from './row.tsx'
import type { TimelineRow } from './rows.ts'
import { type Span, type TimeScale, ticksOf, tickText } from './time-scale.ts'

/** A column of the strip above a timeline. */
interface Density {
  /** Steps at work, at most within the column. */
  busy: number
  /** Whether a step failed here. */
  failed: boolean
}

/**
 * Counts the spans in each of `columns` equal parts of a strip. `place` maps a moment to 0..1. Takes time for the spans and
 * the columns, not their product.
 */
export const densityOf = (
  spans: readonly (Span & { failed?: boolean })[],
  place: (moment: number) => number,
  columns: number,
): Density[] => {
  const change = new Array<number>(columns + 1).fill(0)
  const failed = new Array<boolean>(columns).fill(false)
  const columnOf = (moment: number) => Math.min(columns - 1, Math.max(0, Math.floor(place(moment) * columns)))
  for (const span of spans) {
    const first = columnOf(span.from)
    const last = Math.max(first, columnOf(span.to))
    change[first]! += 1
    change[last + 1]! -= 1
    if (span.failed) failed[last] = true
  }
  let busy = 0
  return failed.map((bad, at) => {
    busy += change[at]!
    return { busy, failed: bad }
  })
}

/** A part of the strip, from 0 to 1. */
interface ShownPart {
  from: number
  to: number
}

const wholeRange: ShownPart = { from: 0, to: 1 }
const least = 0.01

interface BrushProps {
  scale: TimeScale
  columns: readonly Density[]
  range: ShownPart
  onChange: (range: ShownPart) => void
}

/** The whole run in one strip: how many steps were at work when. A drag chooses the part that the timeline shows. */
const Brush = ({ scale, columns, range, onChange }: BrushProps) => {
  const box = useRef<HTMLDivElement>(null)
  const [begun, setBegun] = useState<number>()
  const place = (event: PointerEvent): number => {
    const { left, width } = box.current?.getBoundingClientRect() ?? { left: 0, width: 1 }
    return Math.min(1, Math.max(0, (event.clientX - left) / width))
  }
  const drag = (event: PointerEvent) => {
    if (begun === undefined) return
    const at = place(event)
    const next = { from: Math.min(begun, at), to: Math.max(begun, at) }
    onChange(next.to - next.from < least ? wholeRange : next)
  }
  const top = Math.max(1, ...columns.map(({ busy }) => busy))
  const isWhole = range.from === 0 && range.to === 1
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: its two handles take the keys
    <div
      ref={box}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        setBegun(place(event))
      }}
      onPointerMove={drag}
      onPointerUp={() => setBegun(undefined)}
      onPointerCancel={() => setBegun(undefined)}
      onDoubleClick={() => onChange(wholeRange)}
      title={isWhole ? 'Drag to look at a part' : 'Double-click to see all'}
      className="relative h-6 min-w-24 flex-1 cursor-crosshair touch-none overflow-hidden rounded-s bg-sunk"
    >
      <svg viewBox={`0 0 ${columns.length} 24`} preserveAspectRatio="none" className="size-full" aria-hidden>
        {withPlaces(columns).map(({ element: { busy, failed }, place: at }) => {
          const height = busy === 0 ? 0 : 4 + (busy / top) * 18
          return (
            <rect
              key={at}
              x={at}
              width={0.85}
              y={24 - height}
              height={height}
              className={failed ? 'fill-bad' : 'fill-edge'}
            />
          )
        })}
      </svg>
      {!isWhole && (
        <>
          <span className="absolute inset-y-0 left-0 bg-bg opacity-60" style={{ width: `${range.from * 100}%` }} />
          <span className="absolute inset-y-0 right-0 bg-bg opacity-60" style={{ width: `${(1 - range.to) * 100}%` }} />
        </>
      )}
      <Handle
        name="Beginning"
        at={range.from}
        scale={scale}
        onMove={(to) => onChange({ from: Math.min(to, range.to - least), to: range.to })}
      />
      <Handle
        name="End"
        at={range.to}
        scale={scale}
        onMove={(to) => onChange({ from: range.from, to: Math.max(to, range.from + least) })}
      />
    </div>
  )
}

interface HandleProps {
  name: string
  at: number
  scale: TimeScale
  onMove: (to: number) => void
}

const Handle = ({ name, at, scale, onMove }: HandleProps) => {
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key]
    if (step === undefined) return
    event.preventDefault()
    event.stopPropagation()
    onMove(Math.min(1, Math.max(0, at + step)))
  }
  return (
    <span
      role="slider"
      tabIndex={0}
      aria-label={`${name} of the part shown`}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(at * 100)}
      aria-valuetext={durationText((scale.moment(at) - scale.from) / 1000)}
      onKeyDown={onKeyDown}
      className="absolute inset-y-0 w-0.5 bg-edge"
      style={{ left: at === 1 ? 'calc(100% - 2px)' : `${at * 100}%` }}
    />
  )
}

/** What the keys of a page and its timeline tell each other. */
export interface Scroller {
  /** Scrolls to a row, and takes the focus. */
  show?: (row: number) => void
  /** Called for keys of a tree grid that are pressed in the timeline. */
  onKey?: (key: GridKey) => void
}

type GridKey = 'left' | 'right' | 'home' | 'end' | 'enter'

const gridKeys: Partial<Record<string, GridKey>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  Home: 'home',
  End: 'end',
  Enter: 'enter',
}

interface TimelineProps {
  run: Run
  rows: readonly TimelineRow[]
  chosen: string | undefined
  onChoose: (id: string) => void
  onOpen: (id: string) => void
  scroller: Scroller
}

/** The steps of a run over time: where it waited, worked and failed. */
export const Timeline = (props: TimelineProps) =>
  isOpen(props.run) ? <TickingTimeline {...props} /> : <TimelineAt {...props} now={Date.parse(props.run.updated)} />

const TickingTimeline = (props: TimelineProps) => <TimelineAt {...props} now={useNowWith(props.run)} />

const stripColumns = 80

const TimelineAt = ({ run, rows, chosen, onChoose, onOpen, scroller, now }: TimelineProps & { now: number }) => {
  const [range, setRange] = useState<ShownPart>(wholeRange)
  const lanes = useMemo(() => lanesOf(run, now), [run, now])
  const scale = useMemo(() => scaleOfPart(lanes, range), [lanes, range])
  const isNarrow = useNarrow()
  const hasUsage = useMemo(() => !isNarrow && stepsInOrder(run).some(({ usage }) => usage), [run, isNarrow])
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Head lanes={lanes} scale={scale} range={range} setRange={setRange} hasUsage={hasUsage} isNarrow={isNarrow} />
      <Lines
        rows={rows}
        chosen={chosen}
        lanes={lanes}
        scale={scale}
        hasUsage={hasUsage}
        isEnded={!isOpen(run)}
        onChoose={onChoose}
        onOpen={onOpen}
        scroller={scroller}
      />
    </div>
  )
}

type LinesProps = Omit<TimelineProps, 'run'> & {
  lanes: Lanes
  scale: TimeScale
  hasUsage: boolean
  isEnded: boolean
}

/** The rows in view. A scroll renders these alone: the strip above them has about a hundred elements. */
const Lines = ({ rows, chosen, lanes, scale, hasUsage, isEnded, onChoose, onOpen, scroller }: LinesProps) => {
  const { box, node, first, last, total, keyOf, show } = useRows(rows.length, rowHeight)
  scroller.show = (row) => {
    show(row)
    node?.focus({ preventScroll: true })
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const key = event.altKey || event.ctrlKey || event.metaKey ? undefined : gridKeys[event.key]
    if (key === undefined) return
    event.preventDefault()
    event.stopPropagation()
    scroller.onKey?.(key)
  }
  const at = useMemo(() => rows.findIndex(({ id }) => id === chosen), [rows, chosen])
  return (
    <div
      ref={box}
      role="treegrid"
      tabIndex={0}
      aria-label="Steps"
      aria-rowcount={rows.length}
      aria-activedescendant={at >= first && at < last ? `row-${at}` : undefined}
      onKeyDown={onKeyDown}
      className="min-h-0 flex-1 overflow-y-auto overflow-x-hidden outline-offset-[-2px]"
    >
      <div className="relative" style={{ height: total }}>
        <Folds scale={scale} hasUsage={hasUsage} />
        {rows.slice(first, last).map((row, index) => (
          <TimelineLine
            key={keyOf(first + index)}
            row={row}
            place={first + index}
            hasUsage={hasUsage}
            lanes={lanes}
            scale={scale}
            isChosen={row.id === chosen}
            isEnded={isEnded}
            onChoose={onChoose}
            onOpen={onOpen}
          />
        ))}
      </div>
    </div>
  )
}

interface HeadProps {
  lanes: Lanes
  scale: TimeScale
  range: ShownPart
  setRange: (range: ShownPart) => void
  hasUsage: boolean
  isNarrow: boolean
}

/** The strip of the whole run, and the times of the part that is shown. */
const Head = memo(({ lanes, scale, range, setRange, hasUsage, isNarrow }: HeadProps) => {
  const { busy, scale: whole } = lanes
  const columns = useMemo(() => densityOf(busy, (moment) => whole.at(moment), stripColumns), [busy, whole])
  const isWhole = range.from === 0 && range.to === 1
  return (
    <div className="border-line border-b">
      <div className={`${rowGrid(hasUsage)} items-center px-4 pt-2`}>
        <span className="flex items-center gap-1 text-12 text-muted">
          {isWhole ? 'Whole run' : 'Part of the run'}
          {!isWhole && <IconButton icon="cross" label="Show the whole run" onClick={() => setRange(wholeRange)} />}
        </span>
        <Brush scale={whole} columns={columns} range={range} onChange={setRange} />
        {hasUsage && <span className="col-span-2" />}
        <span className="text-right text-12 text-muted">{durationText((whole.to - whole.from) / 1000)}</span>
      </div>
      <div className={`${rowGrid(hasUsage)} h-6 px-4 text-11 text-faint`}>
        <span />
        <span className="relative">
          {(isNarrow ? ticksOf(scale, 3, 0.3) : ticksOf(scale)).map((tick) => (
            <span
              key={tick}
              className={`absolute top-1 whitespace-nowrap ${scale.at(tick) > 0.9 ? '-translate-x-full' : ''}`}
              style={{ left: `${scale.at(tick) * 100}%` }}
            >
              {tickText(scale, tick, lanes.scale.from)}
            </span>
          ))}
        </span>
        {hasUsage && (
          <>
            <span className="pt-1 text-right">tokens</span>
            <span className="pt-1 text-right">cost</span>
          </>
        )}
        <span />
      </div>
    </div>
  )
})

/** Where nothing happened for long: a narrow band in the place of the time that it took. */
const Folds = ({ scale, hasUsage }: { scale: TimeScale; hasUsage: boolean }) =>
  scale.folds.length === 0 ? null : (
    <div className={`${rowGrid(hasUsage)} pointer-events-none absolute inset-0 px-4`}>
      <span />
      <span className="relative mx-1">
        {scale.folds.map((fold) => (
          <span
            key={fold.from}
            title={`Nothing happened for ${durationText((fold.to - fold.from) / 1000)}`}
            className="pointer-events-auto absolute inset-y-0 border-line border-x border-dashed bg-sunk"
            style={{ left: `${fold.left * 100}%`, width: `${fold.width * 100}%` }}
          />
        ))}
      </span>
      <span />
    </div>
  )
