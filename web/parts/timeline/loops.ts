import type { RunStep } from '../../data/run.ts'

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
export interface Loop {
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
