import type { RunStep } from '../../data/run.ts'
import { type ShownStep, statusOfStep } from '../status-of-step.ts'
import { isTrace, type StepsBelow, spanTree, stepsAbove } from './span-tree.ts'

/** A recorded step name: the step's name in the workflow, and its turn in a loop. */
interface TurnName {
  name: string
  /** Counted from 1. */
  turn: number
}

const turnPattern = /^(.+)__(\d{1,6})$/

/** Splits the name of a turn: `draft__3` is turn 3 of `draft`. A step that the workflow itself calls so is no turn. */
export const turnName = (recorded: string, isStep: (name: string) => boolean): TurnName => {
  const [, name, turn] = turnPattern.exec(recorded) ?? []
  const number = Number(turn)
  return name !== undefined && number > 1 && !isStep(recorded) ? { name, turn: number } : { name: recorded, turn: 1 }
}

/** A loop among the steps of a run: `first` and `last` are places in the list, `turns` how often it went round. */
interface Loop {
  first: number
  last: number
  turns: number
  /** Name of the counter step in the workflow. */
  counter: string
}

/**
 * Finds the loops of a run that went round at least twice. A loop is a stretch of steps whose turn never falls, with a
 * `loop_counter` in its first turn. `listed` are the names of the workflow's steps.
 */
export const loopsOf = (steps: readonly Pick<RunStep, 'key' | 'activity'>[], listed: ReadonlySet<string>): Loop[] => {
  const names = steps.map(({ key }) => turnName(key, (name) => listed.has(name)))
  const places = new Map(names.map(({ name, turn }, at) => [turn === 1 ? name : '', at]))
  const loops: Loop[] = []
  for (let at = 0; at < steps.length; at++) {
    const second = names[at]!
    if (second.turn < 2) continue
    const before = steps[at - 1]
    const first = places.get(second.name)
    let last = at
    while (last + 1 < steps.length && names[last + 1]!.turn >= names[last]!.turn) last++
    if (first !== undefined && before?.activity === 'loop_counter') {
      loops.push({ first, last, turns: names[last]!.turn, counter: names[at - 1]!.name })
    }
    at = last
  }
  return loops
}

/** How many steps or child runs have each status. */
export type StatusCounts = Partial<Record<string, number>>

/** Of a span with others below it. */
interface SpanFold extends StepsBelow {
  isOpen: boolean
}

/** A line of the timeline. */
export type TimelineRow =
  | { kind: 'step'; id: string; step: RunStep; depth: number; fold?: SpanFold }
  | { kind: 'loop'; id: string; name: string; turns: number; steps: RunStep[]; counts: StatusCounts; isOpen: boolean }
  | { kind: 'pending'; id: string; name: string }

/** Whether what is below a row is shown; undefined where there is nothing. */
export const isOpenRow = (row: TimelineRow): boolean | undefined =>
  row.kind === 'loop' ? row.isOpen : row.kind === 'step' ? row.fold?.isOpen : undefined

export const depthOf = (row: TimelineRow): number => (row.kind === 'step' ? row.depth : 0)

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
 * the end. Spans of a trace stand open below one another. `toggled` has the ids of opened loops and folded spans.
 */
export const timelineRows = (
  steps: readonly RunStep[],
  total: readonly string[],
  toggled: ReadonlySet<string>,
): TimelineRow[] => (isTrace(steps) ? spanRows(steps, toggled) : stepRows(steps, total, toggled))

const spanRows = (steps: readonly RunStep[], folded: ReadonlySet<string>): TimelineRow[] => {
  const tree = spanTree(steps)
  const rows: TimelineRow[] = []
  for (let at = 0; at < tree.length; at++) {
    const { step, depth, below } = tree[at]!
    const isOpen = !folded.has(step.key)
    const fold = below.steps === 0 ? {} : { fold: { isOpen, ...below } }
    rows.push({ kind: 'step', id: step.key, step, depth, ...fold })
    if (!isOpen) at += below.steps
  }
  return rows
}

const stepRows = (steps: readonly RunStep[], total: readonly string[], opened: ReadonlySet<string>): TimelineRow[] => {
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

/** The rows that are toggled so that a step is among them: its loop is open, and so is each span above it. */
export const toggledFor = (
  key: string,
  toggled: ReadonlySet<string>,
  run: { steps: readonly RunStep[]; total: readonly string[] },
): ReadonlySet<string> => {
  if (isTrace(run.steps)) {
    if (toggled.size === 0) return toggled
    const above = new Set(stepsAbove(spanTree(run.steps), key))
    return new Set([...toggled].filter((id) => !above.has(id)))
  }
  const around = loopAround(key, run.steps, run.total)
  return around === undefined ? toggled : new Set([...toggled, around])
}

/** The loop whose row stands for a step while that loop is closed; undefined for a step outside of loops. */
export const loopAround = (key: string, steps: readonly RunStep[], total: readonly string[]): string | undefined => {
  const at = steps.findIndex((step) => step.key === key)
  const loop = loopsOf(steps, new Set(total)).find(({ first, last }) => at >= first && at <= last)
  return loop && loopId(loop)
}
