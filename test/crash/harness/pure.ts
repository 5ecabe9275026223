import type { Workflow } from '../../../src/model/workflows/workflow.ts'

/** What a step of the crash tests puts out for what it was given. */
export const nextValue = (value: number): number => (value * 31 + 7) % 1_000_003

/** How long it works: also nothing but a function of its input, so that a seed decides it. */
export const durationOf = (value: number, from: number, to: number): number =>
  from + ((value * 7919) % Math.max(1, Math.floor(to - from) + 1))

/** What the step at `seq` must have put out in a run that began with `start`. */
export const valueAfter = (start: number, seq: number): number => {
  let value = start
  for (let step = 0; step <= seq; step++) value = nextValue(value)
  return value
}

export interface ChainOptions {
  from?: number
  to?: number
  /** Activities of single steps, where it is not `effect`. */
  activities?: Record<number, string>
}

/** A workflow in which every step takes what the one before put out. */
export const chain = (length: number, { from = 20, to = 300, activities = {} }: ChainOptions = {}): Workflow => {
  const steps = Array.from({ length }, (_, seq) => `s${seq}`)
  const configOf = (seq: number) => ({
    activity: activities[seq] ?? 'effect',
    value_path: seq === 0 ? 'init_params.start' : `s${seq - 1}.outputs.value`,
    from,
    to,
  })
  return { init_params: {}, step_configs: Object.fromEntries(steps.map((name, seq) => [name, configOf(seq)])), steps }
}
