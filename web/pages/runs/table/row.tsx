import { memo } from 'react'
import type { CollectionRun } from '../../../../src/model/runs/collection-run.ts'
import type { RunSort } from '../../../../src/model/runs/run-lists.ts'
import { plainText } from '../../../parts/log/plain-text.ts'
import { errorColour, hasEnded, statusOfRun } from '../../../parts/status-of-run.ts'
import { agoText, durationText, momentText } from '../../../text/times.ts'
import { Status } from '../../../ui/status.tsx'
import { Children, Cost, RowLabels, RunName, StartedBy, Steps, Tokens, Version } from './cells.tsx'

/** Widths of the columns, from narrow to wide boxes; a column that has no room is left out with its cells. */
export const gridClass = (hasTask: boolean): string =>
  hasTask
    ? 'grid items-center gap-x-3 px-4 grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_minmax(5rem,1fr)_5.5rem_5rem] @3xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_minmax(5rem,1fr)_5.5rem_5rem_3.5rem_4.5rem] @4xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_minmax(5rem,1fr)_5.5rem_5rem_3.5rem_4.5rem_minmax(8rem,1.2fr)] @6xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_minmax(5rem,1fr)_5.5rem_5rem_3.5rem_4.5rem_3.5rem_3rem_7rem_minmax(8rem,1fr)]'
    : 'grid items-center gap-x-3 px-4 grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_5.5rem_5rem] @3xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_5.5rem_5rem_3.5rem_4.5rem] @4xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_5.5rem_5rem_3.5rem_4.5rem_minmax(8rem,1fr)] @6xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_5.5rem_5rem_3.5rem_4.5rem_3.5rem_3rem_7rem_minmax(8rem,1fr)]'

/** From which width of the box a column is shown. */
const middleClass = 'hidden @3xl:block'
const labelsClass = 'hidden @4xl:block'
const wideClass = 'hidden @6xl:block'

interface Column {
  name: string
  className?: string
  isNumber?: boolean
  sort?: RunSort
}

/** Heads of the columns behind the one for selecting. */
export const tableColumns = (hasTask: boolean): Column[] => [
  { name: 'Status' },
  { name: 'Run' },
  ...(hasTask ? [{ name: 'Task' }] : []),
  { name: 'Started', sort: 'created' },
  { name: 'Duration', isNumber: true, sort: 'duration' },
  { name: 'Steps', className: middleClass, isNumber: true },
  { name: 'Cost', className: middleClass, isNumber: true, sort: 'cost' },
  { name: 'Tokens', className: wideClass, isNumber: true },
  { name: 'Version', className: wideClass },
  { name: 'Started by', className: wideClass },
  { name: 'Labels', className: labelsClass },
]

export interface RowProps {
  run: CollectionRun
  id: string
  index: number
  top: number
  height: number
  hasTask: boolean
  showsError: boolean
  isActive: boolean
  isSelected: boolean
  now: number
  onPick: (run: CollectionRun) => void
  onToggle: (run: CollectionRun, isRange: boolean) => void
  onChildren: (run: CollectionRun) => void
}

/** Seconds that a run has taken until now. */
export const secondsOf = (run: CollectionRun, now: number): number | null =>
  hasEnded(run) || run.started === null ? run.duration_seconds : Math.max(0, (now - Date.parse(run.started)) / 1000)

export const rowClass = (isActive: boolean, isSelected: boolean): string =>
  `contain-strict absolute inset-x-0 border-line border-b ${isSelected ? 'bg-selection' : isActive ? 'bg-sunk' : 'hover:bg-sunk'} ${isActive ? 'shadow-[inset_2px_0_0_var(--color-accent)]' : ''}`

/** One run as a row of columns; below it its error, where it has one. */
export const Row = memo((props: RowProps) => {
  const { run, id, index, top, height, hasTask, showsError, isActive, isSelected, now } = props
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the table has the keys
    <div
      role="row"
      id={id}
      tabIndex={-1}
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      className={rowClass(isActive, isSelected)}
      style={{ transform: `translateY(${top}px)`, height }}
      onClick={(event) => !(event.target as Element).closest('a, button, label') && props.onPick(run)}
    >
      <div className={`${gridClass(hasTask)} ${showsError ? 'h-9' : 'h-full'}`} role="presentation">
        <span role="gridcell" className="flex">
          <input
            type="checkbox"
            tabIndex={-1}
            aria-label={`Select ${run.trajectory_id}`}
            checked={isSelected}
            onChange={() => {}}
            onClick={(event) => {
              event.stopPropagation()
              props.onToggle(run, event.shiftKey)
            }}
            className="size-3.5 accent-accent"
          />
        </span>
        <span role="gridcell" className="flex min-w-0 items-center">
          <Status of={statusOfRun(run)} />
        </span>
        <span role="gridcell" className="min-w-0 truncate">
          <RunName run={run} />
        </span>
        {hasTask && (
          <span role="gridcell" className="truncate">
            {run.task}
          </span>
        )}
        <span role="gridcell" className="truncate text-muted" title={momentText(run.created)}>
          {agoText(run.created, now)}
        </span>
        <span role="gridcell" className="truncate text-right">
          {durationText(secondsOf(run, now))}
        </span>
        <span role="gridcell" className={`text-right ${middleClass}`}>
          <Steps run={run} />
        </span>
        <span role="gridcell" className={`text-right ${middleClass}`}>
          <Cost run={run} />
        </span>
        <span role="gridcell" className={`text-right ${wideClass}`}>
          <Tokens run={run} />
        </span>
        <span role="gridcell" className={wideClass}>
          <Version run={run} />
        </span>
        <span role="gridcell" className={`truncate ${wideClass}`}>
          <StartedBy run={run} />
        </span>
        <span role="gridcell" className="hidden min-w-0 items-center gap-1 overflow-hidden @4xl:flex">
          <Children run={run} onShow={props.onChildren} />
          <RowLabels run={run} />
        </span>
      </div>
      {showsError && (
        <p className={`-mt-1.5 truncate pr-4 pl-11 text-12 ${errorColour(run)}`} title={plainText(run.error ?? '')}>
          {plainText(run.error ?? '')}
        </p>
      )}
    </div>
  )
})
Row.displayName = 'Row'
