import type { CollectionRun } from '../../../src/model/runs/collection-run.ts'
import { useKeys } from '../../ui/keys.ts'
import { runKey } from './merge-news.ts'
import { noSelection, type Selection } from './selection.ts'

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
export const movedTo = (count: number, at: number, step: number): number =>
  at < 0 ? (count > 0 ? 0 : -1) : Math.min(count - 1, Math.max(0, at + step))

/** The keys of a list of runs. */
export const useListKeys = (list: ListKeys): void => {
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
