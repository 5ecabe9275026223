import { memo, type ReactNode, useEffect, useMemo } from 'react'
import type { CollectionRun } from '../../../../src/model/runs/collection-run.ts'
import type { RunSort } from '../../../../src/model/runs/run-lists.ts'
import { useNarrow, useVisible } from '../../../data/browser.ts'
import { useNow } from '../../../data/clock.ts'
import { unevenRows, useRowsAt } from '../../../data/rows.ts'
import type { RunFilters } from '../../../parts/filters/run-filters.ts'
import { plainText } from '../../../parts/log/plain-text.ts'
import { jobOfRun } from '../../../parts/run-origin.ts'
import { errorColour, statusOfRun } from '../../../parts/status-of-run.ts'
import { agoText, durationText } from '../../../text/times.ts'
import { SortHead } from '../../../ui/sort-head.tsx'
import { StatusMark, statusWord } from '../../../ui/status.tsx'
import { runKey } from '../merge-news.ts'
import type { RunList } from '../query.ts'
import type { Selection } from '../selection.ts'
import { Cost, hasCost, Steps } from './cells.tsx'
import { gridClass, Row, type RowProps, rowClass, secondsOf, tableColumns } from './row.tsx'

/** One run on a phone: two lines. */
const NarrowRow = memo((props: RowProps) => {
  const { run, id, index, top, height, hasTask, isActive, isSelected, now } = props
  const status = statusOfRun(run)
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
      onClick={() => props.onPick(run)}
    >
      <div role="gridcell" className="flex h-full items-center gap-3 px-4">
        <StatusMark of={status} label={statusWord(status)} />
        <div className="min-w-0 flex-1">
          <p className="flex items-baseline gap-2">
            <span className="font-mono text-12">{run.trajectory_id}</span>
            {!hasTask && (
              <span className="truncate text-12 text-muted">
                {jobOfRun(run)?.text ?? plainText(run.input_preview ?? '')}
              </span>
            )}
            {hasTask && <span className="truncate">{run.task}</span>}
            <span className="ml-auto shrink-0 text-12 text-muted">{agoText(run.created, now)}</span>
          </p>
          {run.error === null ? (
            <p className="flex gap-2 text-12 text-muted">
              <span>
                <Steps run={run} /> steps
              </span>
              <span>{durationText(secondsOf(run, now))}</span>
              {hasCost(run) && <Cost run={run} />}
            </p>
          ) : (
            <p className={`truncate text-12 ${errorColour(run)}`}>{plainText(run.error)}</p>
          )}
        </div>
      </div>
    </div>
  )
})
NarrowRow.displayName = 'NarrowRow'

const headHeight = 28
const heights = { comfortable: 36, withError: 56, dense: 28, narrow: 54 } as const

interface TableProps {
  list: RunList
  filters: RunFilters
  hasTask: boolean
  isDense: boolean
  active: string | undefined
  /** Place of the active run; below 0 where none is. */
  activeRow: number
  selection: Selection
  onPick: (run: CollectionRun) => void
  onToggle: (run: CollectionRun, isRange: boolean) => void
  onToggleAll: () => void
  onChildren: (run: CollectionRun) => void
  onSort: (by: RunSort) => void
  /** Stands below the last row. */
  foot: ReactNode
}

/** The runs as a table of which only the rows in view exist. */
export const RunTable = ({
  list,
  filters,
  hasTask,
  isDense,
  active,
  activeRow,
  selection,
  foot,
  ...actions
}: TableProps) => {
  const { runs } = list
  const now = useNow()
  const isNarrow = useNarrow()
  const hasErrorLine = (run: CollectionRun) => !isNarrow && !isDense && run.error !== null
  const places = useMemo(
    () =>
      unevenRows(
        runs.map((run) => {
          if (isNarrow) return heights.narrow
          if (isDense) return heights.dense
          return run.error === null ? heights.comfortable : heights.withError
        }),
      ),
    [runs, isDense, isNarrow],
  )
  const { box, first, last, total, keyOf, show } = useRowsAt(places, { above: isNarrow ? 0 : headHeight })

  const isNearEnd = last >= runs.length - 20
  const { hasMore, isLoadingMore, isPaused, error, more } = list
  const isVisible = useVisible()
  const goesOn = hasMore && !isPaused && error === null && isVisible
  // biome-ignore lint/correctness/useExhaustiveDependencies: `more` is another function at each render
  useEffect(() => {
    if (isNearEnd && goesOn && !isLoadingMore) more()
  }, [isNearEnd, goesOn, isLoadingMore])

  // biome-ignore lint/correctness/useExhaustiveDependencies: only another row is scrolled to, not every change of the list
  useEffect(() => {
    if (activeRow >= 0) show(activeRow)
  }, [active])

  const OneRow = isNarrow ? NarrowRow : Row
  const isAll = useMemo(
    () => runs.length > 0 && runs.every((run) => selection.keys.has(runKey(run))),
    [runs, selection],
  )
  return (
    <div
      ref={box}
      data-scroll-restoration-id="page"
      className="@container min-h-0 flex-1 overflow-x-hidden overflow-y-auto"
    >
      <div
        role="grid"
        tabIndex={0}
        aria-label="Runs"
        aria-multiselectable="true"
        aria-rowcount={hasMore ? -1 : runs.length + 1}
        aria-activedescendant={activeRow >= first && activeRow < last ? rowId(active ?? '') : undefined}
        className="outline-none"
      >
        {!isNarrow && (
          <div role="rowgroup" className="sticky top-0 z-10">
            <div
              role="row"
              className={`${gridClass(hasTask)} h-7 border-line border-b bg-bg font-medium text-11 text-muted`}
            >
              <span role="columnheader" className="flex">
                <input
                  type="checkbox"
                  aria-label="Select all rows"
                  checked={isAll}
                  ref={(node) => {
                    if (node) node.indeterminate = !isAll && selection.keys.size > 0
                  }}
                  onChange={actions.onToggleAll}
                  className="size-3.5 accent-accent"
                />
              </span>
              {tableColumns(hasTask).map(({ name, className = '', isNumber = false, sort }) => {
                const direction = sort === (filters.sort ?? 'created') ? (filters.order ?? 'desc') : undefined
                return (
                  <span
                    key={name}
                    role="columnheader"
                    aria-sort={direction && (direction === 'asc' ? 'ascending' : 'descending')}
                    className={`${className} ${isNumber ? 'text-right' : ''}`}
                  >
                    {sort === undefined ? (
                      name
                    ) : (
                      <SortHead
                        text={name}
                        isNumber={isNumber}
                        direction={direction}
                        onSort={() => actions.onSort(sort)}
                      />
                    )}
                  </span>
                )
              })}
            </div>
          </div>
        )}
        <div role="rowgroup" className="relative" style={{ height: total }}>
          {runs.slice(first, last).map((run, offset) => {
            const index = first + offset
            const key = runKey(run)
            return (
              <OneRow
                key={keyOf(index)}
                id={rowId(key)}
                run={run}
                index={index}
                top={places.topOf(index)}
                height={places.topOf(index + 1) - places.topOf(index)}
                hasTask={hasTask}
                showsError={hasErrorLine(run)}
                isActive={key === active}
                isSelected={selection.keys.has(key)}
                now={now}
                onPick={actions.onPick}
                onToggle={actions.onToggle}
                onChildren={actions.onChildren}
              />
            )
          })}
        </div>
      </div>
      {foot}
    </div>
  )
}

const rowId = (key: string): string => `run-${key}`
