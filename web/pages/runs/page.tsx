import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { Suspense, useCallback, useEffect, useMemo, useState } from 'react'
import type { CollectionRun } from '../../../src/model/runs/collection-run.ts'
import { lazyPart } from '../../data/server-away.ts'
import { useStored, writeStored } from '../../data/stored.ts'
import { useTitle } from '../../data/title.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import {
  filterQuery,
  filterSearch,
  isFiltered,
  type RunFilters,
  readFilters,
  sortedBy,
  withoutLimits,
} from '../../parts/filters/run-filters.ts'
import { runHref } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import { Button } from '../../ui/button.tsx'
import { Split } from '../../ui/split.tsx'
import { ListFoot } from './foot.tsx'
import { useListKeys } from './list-keys.ts'
import { runKey } from './merge-news.ts'
import { useRuns } from './query.ts'
import { allOrNone, noSelection, toggled, without, withRange } from './selection.ts'
import { RunTable } from './table/table.tsx'
import { Toolbar } from './toolbar.tsx'
import { Views } from './views/views.tsx'

/** What can be done with many runs comes after the list, before somebody has selected some. */
const loadBulkBar = async () => ({ default: (await import('./bulk/bulk-bar.tsx')).BulkBar })
const BulkBar = lazyPart(loadBulkBar)

/** These come when they are needed: a list without runs, and a search. */
const NoRuns = lazyPart(async () => ({ default: (await import('./nothing.tsx')).NoRuns }))
const RunsById = lazyPart(async () => ({ default: (await import('./runs-by-id.tsx')).RunsById }))

/** It comes when a run is first looked at. */
const Peek = lazyPart(async () => ({ default: (await import('./peek/peek.tsx')).Peek }))

/** The address follows a moment after the last move through the list: telling the router at each would be slow. */
const addressWaitMs = 150

/** Runs that have no place in an order. */
const leftOut = {
  created: undefined,
  duration: 'Runs that have not ended are left out.',
  cost: 'Runs that cost nothing, or whose cost is not known yet, are left out.',
}

const writeDense = (isDense: boolean) => writeStored('rows', isDense ? 'dense' : undefined)

/** The runs of a collection, or of one of its tasks. */
export const RunsPage = () => {
  const { collection, task } = useParams({ strict: false })
  return <Runs key={`${collection}/${task ?? ''}`} collection={collection ?? ''} task={task} />
}

const Runs = ({ collection, task }: { collection: string; task: string | undefined }) => {
  const navigate = useNavigate()
  const search = useSearch({ strict: false }) as Record<string, unknown>
  const filters = useMemo(() => readFilters(search), [search])
  const limits = task === undefined ? filters : { ...filters, task: [task] }
  const list = useRuns(collection, limits)
  const [selection, setSelection] = useState(noSelection)
  const [active, setActive] = useState<string>()
  const [isPeeking, setPeeking] = useState(typeof search.peek === 'string')
  const isDense = useStored('rows') === 'dense'
  const width = Number(useStored('peek-width') ?? 40)
  useTitle(task, collection, 'Runs')

  const { runs } = list
  const order = useMemo(() => runs.map(runKey), [runs])
  const models = useMemo(() => [...new Set(runs.flatMap((run) => run.models))].sort(), [runs])
  const shown = active ?? (typeof search.peek === 'string' ? search.peek : undefined)
  const at = useMemo(() => (shown === undefined ? -1 : order.indexOf(shown)), [order, shown])
  const peeked = isPeeking ? runs[at] : undefined
  // Stable functions: a key through the list renders the two rows that change, not every row and the bars above.
  const setFilters = useCallback(
    (next: RunFilters) => {
      setSelection(noSelection)
      void navigate({ to: '.', search: filterSearch(next) as never, replace: true })
    },
    [navigate],
  )
  const open = (run: CollectionRun) => void navigate({ href: runHref(run) })
  const pick = useCallback((run: CollectionRun) => {
    setActive(runKey(run))
    setPeeking(true)
  }, [])
  const toggle = useCallback(
    (run: CollectionRun, isRange: boolean) =>
      setSelection((was) => (isRange ? withRange(was, order, runKey(run)) : toggled(was, runKey(run)))),
    [order],
  )
  const showChildren = useCallback(
    (run: CollectionRun) =>
      void navigate({
        to: '/$collection/-/runs',
        params: { collection },
        search: { parent_id: run.trajectory_id } as never,
      }),
    [navigate, collection],
  )

  useListKeys({
    runs,
    at,
    isPeeking,
    setActive,
    setPeeking,
    setSelection,
    open,
    toggle,
  })

  useEffect(() => void loadBulkBar().catch(() => {}), [])

  const peek = isPeeking ? shown : undefined
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address follows the list, not the other way round
  useEffect(() => {
    if (peek === search.peek) return
    const timer = setTimeout(
      // The filters may have changed while the timer ran.
      () => void navigate({ to: '.', search: ((was: object) => ({ ...was, peek })) as never, replace: true }),
      addressWaitMs,
    )
    return () => clearTimeout(timer)
  }, [peek])

  const selected = useMemo(() => runs.filter((run) => selection.keys.has(runKey(run))), [runs, selection])
  const isEmpty = !list.isLoading && list.error === null && runs.length === 0 && !list.hasMore
  return (
    <main className="flex min-h-0 flex-1 flex-col">
      <h1 className="sr-only">Runs of {task ?? collection}</h1>
      {task === undefined && <CollectionTabs collection={collection} current="runs" />}
      <Views collection={collection} task={task} filters={filters} onChange={setFilters} />
      <Toolbar
        filters={filters}
        onChange={setFilters}
        hasTasks={task === undefined}
        models={models}
        isDense={isDense}
        onDense={writeDense}
      />
      <Split
        label="the run"
        percent={width}
        onResize={(percent) => writeStored('peek-width', String(Math.round(percent)))}
        panel={
          peeked && (
            <Suspense>
              <Peek run={peeked} onClose={() => setPeeking(false)} />
            </Suspense>
          )
        }
      >
        <Suspense>
          {filters.q !== undefined && <RunsById collection={collection} task={task} beginning={filters.q} />}
        </Suspense>
        {list.newRuns > 0 && (
          <div className="flex justify-center border-line border-b bg-sunk py-1">
            <Button look="quiet" icon="up" onClick={list.reload}>
              {list.newRuns === 1 ? '1 new run' : `${list.newRuns} new runs`}
            </Button>
          </div>
        )}
        {list.error && <Problem error={list.error} onRetry={list.reload} />}
        {isEmpty ? (
          <Suspense>
            <NoRuns
              collection={collection}
              task={task}
              isLimited={isFiltered(filters)}
              hidesChildren={filters.children !== 'shown' && filters.parent_id === undefined}
              onClear={() => setFilters(withoutLimits(filters))}
              onChildren={() => setFilters({ ...filters, children: 'shown' })}
            />
          </Suspense>
        ) : list.error && runs.length === 0 ? null : (
          <RunTable
            list={list}
            filters={filters}
            hasTask={task === undefined}
            isDense={isDense}
            active={shown}
            activeRow={at}
            selection={selection}
            onPick={pick}
            onToggle={toggle}
            onToggleAll={() => setSelection((was) => allOrNone(was, order))}
            onChildren={showChildren}
            onSort={(by) => setFilters(sortedBy(filters, by))}
            foot={<ListFoot list={list} left={leftOut[filters.sort ?? 'created']} />}
          />
        )}
        <Suspense>
          {selected.length > 0 && (
            <BulkBar
              collection={collection}
              runs={selected}
              filter={
                list.hasMore && selected.length === runs.length ? (filterQuery(limits, Date.now()) as never) : undefined
              }
              onDone={(done) => setSelection((was) => without(was, done.map(runKey)))}
            />
          )}
        </Suspense>
      </Split>
    </main>
  )
}
