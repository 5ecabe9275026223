import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useEffect, useRef, useState } from 'react'
import { firstOf } from '../../data/search-text.ts'

export const viewNames = ['result', 'transcript', 'timeline', 'graph', 'log', 'input', 'files'] as const
export type ViewName = (typeof viewNames)[number]

/** What of a run is looked at: it is in the address, so that a link shows the same. */
export interface RunSelection {
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
