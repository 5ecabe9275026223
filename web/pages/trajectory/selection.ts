import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useEffect, useRef, useState } from 'react'
import type { Run } from '../../data/run.ts'
import { firstOf } from '../../data/search-text.ts'
import { panelTabs } from '../../parts/step-panel/panel-tabs.ts'
import { depthOf, isOpenRow, type TimelineRow } from '../../parts/timeline/rows.ts'
import type { Scroller } from '../../parts/timeline/timeline.tsx'
import { copyText } from '../../ui/copy.tsx'
import { useKeys } from '../../ui/keys.ts'
import { showToast } from '../../ui/toast.tsx'

export const viewNames = ['result', 'transcript', 'timeline', 'graph', 'log', 'input', 'files'] as const
export type ViewName = (typeof viewNames)[number]

/** What of a run is looked at: it is in the address, so that a link shows the same. */
interface RunSelection {
  /** Undefined: the page chooses. */
  view: ViewName | undefined
  /** Undefined: the page chooses. */
  step: string | undefined
  panel: string | undefined
}

const writeMs = 150

/** Reads a selection from the search parameters of the address. */
const selectionOf = (search: Record<string, unknown>): RunSelection => ({
  view: viewNames.find((name) => name === search.tab),
  step: firstOf(search.step),
  panel: firstOf(search.panel),
})

/** The search parameters for a selection. */
const searchOf = ({ view, step, panel }: RunSelection) => ({
  tab: view,
  step,
  panel,
})

/**
 * Keeps the selection in the state of the page and writes the address 150 ms after the last move: the router would take
 * longer for each of many quick moves than the page does.
 */
export const useSelection = (): [RunSelection, (change: Partial<RunSelection>) => void] => {
  const search = useSearch({ strict: false }) as Record<string, unknown>
  const navigate = useNavigate()
  const written = JSON.stringify(searchOf(selectionOf(search)))
  const [selection, setSelection] = useState(() => selectionOf(search))
  const expected = useRef(written)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)

  // An address that this page did not write is one that somebody went to.
  useEffect(() => {
    if (written === expected.current) return
    expected.current = written
    clearTimeout(timer.current)
    setSelection(selectionOf(JSON.parse(written) as Record<string, unknown>))
  }, [written])
  useEffect(() => () => clearTimeout(timer.current), [])

  const change = useCallback(
    (part: Partial<RunSelection>) => {
      setSelection((was) => {
        const next = { ...was, ...part }
        clearTimeout(timer.current)
        timer.current = setTimeout(() => {
          expected.current = JSON.stringify(searchOf(next))
          void navigate({ to: '.', search: searchOf(next) as never, replace: true })
        }, writeMs)
        return next
      })
    },
    [navigate],
  )
  return [selection, change]
}

interface RunKeys {
  run: Run
  rows: readonly TimelineRow[]
  chosen: string | undefined
  view: RunSelection['view']
  choose: (id: string) => void
  /** Opens or folds a row. */
  toggle: (id: string) => void
  change: (part: Partial<RunSelection>) => void
  scroller: Scroller
}

/** Whether a row is a failed step, or hides one. */
const hasFailed = (row: TimelineRow): boolean => {
  if (row.kind === 'loop') return (row.counts.failed ?? 0) > 0
  if (row.kind !== 'step') return false
  return row.step.status === 'failed' || (row.fold !== undefined && !row.fold.isOpen && row.fold.failed > 0)
}

/** What an arrow to the side does to a row: it goes to a place, or opens or folds the row. */
export const sideways = (
  rows: readonly TimelineRow[],
  at: number,
  to: 'left' | 'right',
): number | 'toggle' | undefined => {
  const row = rows[at]
  const isOpen = row && isOpenRow(row)
  if (row === undefined || (to === 'right' && isOpen === undefined)) return undefined
  if (isOpen === (to === 'left')) return 'toggle'
  if (to === 'right') return at + 1
  const depth = depthOf(row)
  const above = rows.slice(0, at).findLastIndex((one) => depthOf(one) < depth)
  return above < 0 ? undefined : above
}

/** The place of the next failed step after one, round the end. */
export const nextFailure = (rows: readonly TimelineRow[], at: number): number | undefined => {
  for (let step = 1; step <= rows.length; step++) {
    const place = (at + step) % rows.length
    const row = rows[place]!
    if (hasFailed(row)) return place
  }
  return undefined
}

/** Keys of the page of a run. */
export const useRunKeys = ({ run, rows, chosen, view, choose, toggle, change, scroller }: RunKeys): void => {
  const at = rows.findIndex(({ id }) => id === chosen)
  const go = (to: number | undefined) => {
    const row = to === undefined ? undefined : rows[Math.min(rows.length - 1, Math.max(0, to))]
    if (!row || to === undefined) return
    choose(row.id)
    scroller.show?.(Math.min(rows.length - 1, Math.max(0, to)))
  }
  scroller.onKey = (key) => {
    const row = rows[at]
    if (key === 'home') go(0)
    else if (key === 'end') go(rows.length - 1)
    else if (key === 'enter') {
      if (row) choose(row.id)
      // The panel may have to be drawn first.
      requestAnimationFrame(() =>
        document.querySelector<HTMLElement>('[aria-label="Parts of the step"] [aria-selected=true]')?.focus(),
      )
    } else {
      const way = sideways(rows, at, key)
      if (way !== 'toggle') go(way)
      else if (row) toggle(row.id)
    }
  }
  const step = chosen === undefined ? undefined : run.steps[chosen]
  const tab = (number: number) => {
    const name = step && panelTabs(step)[number - 1]?.name
    if (name) change({ panel: name })
  }
  useKeys('Run', [
    { keys: 'j', does: 'Next step', run: () => go(at + 1) },
    { keys: 'k', does: 'Step before', run: () => go(at - 1) },
    { keys: 'down', does: 'Next step', run: () => go(at + 1), isHidden: true },
    { keys: 'up', does: 'Step before', run: () => go(at - 1), isHidden: true },
    { keys: 'e', does: 'Next error', run: () => go(nextFailure(rows, at)) },
    ...[1, 2, 3, 4, 5, 6].map((number) => ({
      keys: String(number),
      does: number === 1 ? 'Tabs of the step: 1 to 6' : '',
      run: () => tab(number),
      isHidden: number > 1,
    })),
    { keys: 't', does: 'Timeline or graph', run: () => change({ view: view === 'timeline' ? 'graph' : 'timeline' }) },
    { keys: 'r', does: 'Re-run', run: () => press('rerun') },
    { keys: 'c', does: 'Compare', run: () => press('compare') },
    {
      keys: 'y',
      does: 'Copy the link to this step',
      run: () => void copyText(stepLink(chosen)).then((isDone) => isDone && showToast({ text: 'Copied the link' })),
    },
    { keys: 'esc', does: 'Close the step', run: () => change({ step: undefined, panel: undefined }), isHidden: true },
  ])
}

/** Presses a button of the header: its menu belongs to it. */
const press = (name: string): void =>
  document.querySelector<HTMLElement>(`[data-run-action="${name}"] :is(button, a)`)?.click()

const stepLink = (step: string | undefined): string => {
  const url = new URL(location.href)
  if (step !== undefined) url.searchParams.set('step', step)
  return url.href
}
