import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { memo, Suspense, useCallback, useEffect, useMemo, useState } from 'react'
import type { CollectionRun } from '../../../src/model/runs/collection-run.ts'
import { useTitle } from '../../data/browser.ts'
import { useNow } from '../../data/clock.ts'
import { lazyPart } from '../../data/server-away.ts'
import { useStored, writeStored } from '../../data/stored.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { AddFilter, FilterChips } from '../../parts/filters/filter-bar.tsx'
import {
  filterQuery,
  filterSearch,
  isFiltered,
  type RunFilters,
  readFilters,
  sortedBy,
  sorts,
  withoutLimits,
} from '../../parts/filters/run-filters.ts'
import { runHref } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import { SearchField } from '../../parts/search-field.tsx'
import { Split } from '../../parts/split.tsx'
import { shortMomentText } from '../../text/times.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { SelectField } from '../../ui/field.tsx'
import { useKeys } from '../../ui/keys.ts'
import { runKey } from './merge-news.ts'
import { type RunList, useRuns } from './query.ts'
import { allOrNone, noSelection, type Selection, toggled, without, withRange } from './selection.ts'
import { RunTable } from './table/table.tsx'
import { Views } from './views/views.tsx'

const spans = [
  ['', 'Any time'],
  ['1h', 'Last hour'],
  ['24h', 'Last 24 hours'],
  ['7d', 'Last 7 days'],
  ['30d', 'Last 30 days'],
] as const

interface ToolbarProps {
  filters: RunFilters
  onChange: (filters: RunFilters) => void
  hasTasks: boolean
  /** Models of the runs that are listed. */
  models: readonly string[]
  isDense: boolean
  onDense: (isDense: boolean) => void
}

/** What the list is limited to, and how it looks. */
const Toolbar = memo(({ filters, onChange, hasTasks, models, isDense, onDense }: ToolbarProps) => {
  const { since = '' } = filters
  const options = spans.some(([span]) => span === since) ? spans : [...spans, [since, `Last ${since}`] as const]
  return (
    <div className="flex shrink-0 flex-wrap items-center gap-2 border-line border-b px-4 py-2">
      <SearchField
        label="Search runs"
        placeholder="Search id, error, parameters"
        place="List of runs"
        text={filters.q ?? ''}
        onChange={(q) => onChange(withText(filters, q))}
      />
      <FilterChips filters={filters} onChange={onChange} />
      <AddFilter filters={filters} onChange={onChange} hasTasks={hasTasks} models={models} />
      {isFiltered(filters) && (
        <Button look="quiet" onClick={() => onChange(withoutLimits(filters))}>
          Clear
        </Button>
      )}
      <span className="flex-1 max-md:hidden" />
      <SelectField
        label="Time"
        hidesLabel
        value={since}
        boxClass="max-md:ml-auto max-md:w-32"
        options={options}
        onChange={(event) => onChange(withSince(filters, event.target.value))}
      />
      <SelectField
        label="Sort"
        hidesLabel
        value={`${filters.sort ?? 'created'} ${filters.order ?? 'desc'}`}
        boxClass="w-36 md:hidden"
        options={orders}
        onChange={(event) => onChange(withOrder(filters, event.target.value))}
      />
      <IconButton
        icon="rows"
        label={isDense ? 'Comfortable rows' : 'Dense rows'}
        aria-pressed={isDense}
        onClick={() => onDense(!isDense)}
        className="max-md:hidden"
      />
    </div>
  )
})

const orders = [
  ['created desc', 'Newest first'],
  ['created asc', 'Oldest first'],
  ['duration desc', 'Longest first'],
  ['duration asc', 'Shortest first'],
  ['cost desc', 'Most expensive first'],
  ['cost asc', 'Cheapest first'],
] as const

const withOrder = (filters: RunFilters, order: string): RunFilters => {
  const [by = 'created', direction] = order.split(' ')
  const sort = sorts.find((one) => one === by) ?? 'created'
  const { order: _, ...sorted } = sortedBy(filters, sort)
  return direction === 'asc' ? { ...sorted, order: 'asc' } : sorted
}

const withText = ({ q: _, ...rest }: RunFilters, q: string): RunFilters => (q === '' ? rest : { ...rest, q })
const withSince = ({ since: _, ...rest }: RunFilters, since: string): RunFilters =>
  since === '' ? rest : { ...rest, since }

interface ListKeys {
  runs: CollectionRun[]
  /** Place of the active one; below 0 where none is. */
  at: number
  isPeeking: boolean
  setActive: (key: string) => void
  setPeeking: (isPeeking: boolean) => void
  setSelection: (selection: Selection) => void
  open: (run: CollectionRun) => void
  toggle: (run: CollectionRun, isRange: boolean) => void
}

/** The row that a step leads to: the first one where none is active yet. */
const movedTo = (count: number, at: number, step: number): number =>
  at < 0 ? (count > 0 ? 0 : -1) : Math.min(count - 1, Math.max(0, at + step))

/** The keys of a list of runs. */
const useListKeys = (list: ListKeys): void => {
  const { runs, at, isPeeking } = list
  const here = runs[at]
  const move = (step: number) => {
    const next = runs[movedTo(runs.length, at, step)]
    if (next) list.setActive(runKey(next))
  }
  const onHere = (act: (run: CollectionRun) => void) => () => here && act(here)
  const back = () => {
    if (isPeeking) list.setPeeking(false)
    else list.setSelection(noSelection)
  }
  useKeys('List of runs', [
    { keys: 'j', does: 'Next run', run: () => move(1) },
    { keys: 'k', does: 'Run before', run: () => move(-1) },
    { keys: 'down', does: 'Next run', run: () => move(1), isHidden: true },
    { keys: 'up', does: 'Run before', run: () => move(-1), isHidden: true },
    { keys: 'enter', does: 'Open the run', run: onHere(list.open) },
    { keys: 'space', does: 'Look at the run', run: () => here && list.setPeeking(!isPeeking) },
    { keys: 'x', does: 'Select', run: onHere((run) => list.toggle(run, false)) },
    { keys: 'shift+x', does: 'Select up to here', run: onHere((run) => list.toggle(run, true)) },
    { keys: 'esc', does: 'Close, or select nothing', run: back },
  ])
}

/** Below the last row: more, which comes by itself where it is scrolled to; how far a search has looked; or that this is all. */
const ListFoot = ({ list, left }: { list: RunList; left: string | undefined }) => {
  const now = useNow()
  if (list.isLoading) return null
  if (!list.hasMore) {
    const text = [list.runs.length > 20 && 'That is all.', left].filter(Boolean).join(' ')
    return text === '' ? null : <p className="p-3 text-center text-faint">{text}</p>
  }
  const looked = list.lookedUntil === null ? '' : ` Looked back to ${shortMomentText(list.lookedUntil, now)}.`
  if (list.isPaused) {
    return (
      <p className="flex items-center justify-center gap-3 p-3 text-muted">
        The search has paused.{looked}
        <Button onClick={list.resume}>Go on</Button>
      </p>
    )
  }
  if (!list.isSearch) {
    return (
      <p className="flex items-center justify-center p-3 text-muted">
        {list.isLoadingMore ? <span role="status">Loading…</span> : <Button onClick={list.more}>More runs</Button>}
      </p>
    )
  }
  return (
    <p className="flex items-center justify-center gap-3 p-3 text-muted">
      <span role="status">Searching…{looked}</span>
      <Button onClick={list.pause}>Stop</Button>
    </p>
  )
}

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
        stored="peek-width"
        first={40}
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
