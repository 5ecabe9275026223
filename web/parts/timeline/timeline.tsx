import { memo, useMemo, useState } from 'react'
import { useNowWith } from '../../data/clock.ts'
import { useNarrow } from '../../data/narrow.ts'
import { useRows } from '../../data/rows.ts'
import { isOpen, type Run } from '../../data/run.ts'
import { durationText } from '../../text/duration.ts'
import { IconButton } from '../../ui/button.tsx'
import { Brush, type ShownPart, wholeRange } from './brush.tsx'
import { densityOf } from './density.ts'
import { type Lanes, lanesOf, scaleOfPart } from './lanes.ts'
import { rowGrid, rowHeight, TimelineLine } from './row.tsx'
import type { TimelineRow } from './rows.ts'
import { type TimeScale, ticksOf, tickText } from './time-scale.ts'

interface TimelineProps {
  run: Run
  rows: readonly TimelineRow[]
  chosen: string | undefined
  onChoose: (id: string) => void
  onOpen: (id: string) => void
  /** Gets a function that scrolls to a row. */
  scroller: { show?: (row: number) => void }
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
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Head lanes={lanes} scale={scale} range={range} setRange={setRange} />
      <Lines
        rows={rows}
        chosen={chosen}
        lanes={lanes}
        scale={scale}
        isEnded={!isOpen(run)}
        onChoose={onChoose}
        onOpen={onOpen}
        scroller={scroller}
      />
    </div>
  )
}

type LinesProps = Omit<TimelineProps, 'run'> & { lanes: Lanes; scale: TimeScale; isEnded: boolean }

/** The rows in view. A scroll renders these alone: the strip above them has about a hundred elements. */
const Lines = ({ rows, chosen, lanes, scale, isEnded, onChoose, onOpen, scroller }: LinesProps) => {
  const { box, first, last, total, keyOf, show } = useRows(rows.length, rowHeight)
  scroller.show = show
  const at = useMemo(() => rows.findIndex(({ id }) => id === chosen), [rows, chosen])
  return (
    <div
      ref={box}
      role="tree"
      tabIndex={0}
      aria-label="Steps"
      aria-activedescendant={at >= first && at < last ? `row-${chosen}` : undefined}
      className="min-h-0 flex-1 overflow-y-auto overflow-x-hidden outline-offset-[-2px]"
    >
      <div className="relative" style={{ height: total }}>
        <Folds scale={scale} />
        {rows.slice(first, last).map((row, index) => (
          <TimelineLine
            key={keyOf(first + index)}
            row={row}
            place={first + index}
            count={rows.length}
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
}

/** The strip of the whole run, and the times of the part that is shown. */
const Head = memo(({ lanes, scale, range, setRange }: HeadProps) => {
  const { busy, scale: whole } = lanes
  const columns = useMemo(() => densityOf(busy, (moment) => whole.at(moment), stripColumns), [busy, whole])
  const isWhole = range.from === 0 && range.to === 1
  const isNarrow = useNarrow()
  return (
    <div className="border-line border-b">
      <div className={`${rowGrid} items-center px-4 pt-2`}>
        <span className="flex items-center gap-1 text-12 text-muted">
          {isWhole ? 'Whole run' : 'Part of the run'}
          {!isWhole && <IconButton icon="cross" label="Show the whole run" onClick={() => setRange(wholeRange)} />}
        </span>
        <Brush scale={whole} columns={columns} range={range} onChange={setRange} />
        <span className="text-right text-12 text-muted">{durationText((whole.to - whole.from) / 1000)}</span>
      </div>
      <div className={`${rowGrid} h-6 px-4 text-11 text-faint`}>
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
        <span />
      </div>
    </div>
  )
})

/** Where nothing happened for long: a narrow band in the place of the time that it took. */
const Folds = ({ scale }: { scale: TimeScale }) =>
  scale.folds.length === 0 ? null : (
    <div className={`${rowGrid} pointer-events-none absolute inset-0 px-4`}>
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
