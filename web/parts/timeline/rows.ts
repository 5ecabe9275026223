import type { RunStep } from '../../data/run.ts'
import { type ShownStep, statusOfStep } from '../status-of-step.ts'
import { type Loop, loopsOf } from './loops.ts'

/** How many steps or child runs have each status. */
export type StatusCounts = Partial<Record<string, number>>

/** A line of the timeline. */
export type TimelineRow =
  | { kind: 'step'; id: string; step: RunStep; depth: number }
  | { kind: 'loop'; id: string; name: string; turns: number; steps: RunStep[]; counts: StatusCounts; isOpen: boolean }
  | { kind: 'pending'; id: string; name: string }

export const countStatuses = (steps: readonly ShownStep[]): StatusCounts => {
  const counts: StatusCounts = {}
  for (const step of steps) {
    const status = statusOfStep(step)
    counts[status] = (counts[status] ?? 0) + 1
  }
  return counts
}

/** Id of the row of a loop; no step can have it, since names of steps begin otherwise. */
export const loopId = (loop: Pick<Loop, 'counter'>): string => `:${loop.counter}`

/**
 * Rows for the steps of a run: a loop that went round is one row until it is opened, and what is still to come follows at
 * the end. `opened` has the ids of open loops.
 */
export const timelineRows = (
  steps: readonly RunStep[],
  total: readonly string[],
  opened: ReadonlySet<string>,
): TimelineRow[] => {
  const rows: TimelineRow[] = []
  const loops = loopsOf(steps, new Set(total))
  let loopAt = 0
  for (let at = 0; at < steps.length; at++) {
    const loop = loops[loopAt]
    if (loop?.first === at) {
      rows.push(...loopRows(loop, steps.slice(loop.first, loop.last + 1), opened))
      at = loop.last
      loopAt++
      continue
    }
    const step = steps[at]!
    rows.push({ kind: 'step', id: step.key, step, depth: 0 })
  }
  const begun = new Set(steps.map(({ key }) => key))
  for (const name of total) if (!begun.has(name)) rows.push({ kind: 'pending', id: name, name })
  return rows
}

const loopRows = (loop: Loop, steps: RunStep[], opened: ReadonlySet<string>): TimelineRow[] => {
  const id = loopId(loop)
  const isOpen = opened.has(id)
  const head: TimelineRow = {
    kind: 'loop',
    id,
    name: loop.counter,
    turns: loop.turns,
    steps,
    counts: countStatuses(steps),
    isOpen,
  }
  return isOpen ? [head, ...steps.map((step): TimelineRow => ({ kind: 'step', id: step.key, step, depth: 1 }))] : [head]
}

/** The loop whose row stands for a step while that loop is closed; undefined for a step outside of loops. */
export const loopAround = (key: string, steps: readonly RunStep[], total: readonly string[]): string | undefined => {
  const at = steps.findIndex((step) => step.key === key)
  const loop = loopsOf(steps, new Set(total)).find(({ first, last }) => at >= first && at <= last)
  return loop && loopId(loop)
}
