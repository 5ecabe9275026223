import type { Activity, ActivityRegistry } from '../../activities/activity.ts'
import { workerActivity } from '../../activities/workers/worker-activity.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { Pieces } from '../../lib/slices.ts'
import type { Guess } from '../../lib/text/nearest.ts'
import { isWorkerActivity } from '../../model/workers/worker.ts'
import { reservedStepNames, stepNamePattern, type Workflow } from '../../model/workflows/workflow.ts'
import { question, type Report } from './finding.ts'

/** A step as written, before compilation. */
export interface WrittenStep {
  name: string
  config: Record<string, unknown>
  activity: Activity
  /** Whether it is listed in `steps`; otherwise it is only the target of a branch. */
  isListed: boolean
}

/** Names of the steps of both arms of a branch. */
interface Arms {
  true: string[]
  false: string[]
}

/** The order of a workflow's steps. */
export interface Flow {
  /** Steps in order of execution: an unlisted target comes right after its branch. */
  steps: WrittenStep[]
  /** Arms by name of the branch. */
  branches: Map<string, Arms>
  /** Names of a loop's steps by name of its counter. */
  loops: Map<string, string[]>
}

type Find = (name: string) => Omit<WrittenStep, 'isListed'> | undefined

/**
 * Resolves branches and loops. `find` returns a step by name, or undefined after it has reported why the step cannot
 * execute.
 */
export function* flowOf(listed: string[], configs: Record<string, unknown>, find: Find, report: Report): Pieces<Flow> {
  const flow: Flow = { steps: [], branches: new Map(), loops: new Map() }
  const isListed = new Set(listed)
  /** Unlisted targets, by the branch that has them. */
  const owners = new Map<string, string>()

  /** Adds a step; returns the unlisted targets that come after it. */
  const add = (name: string): string[] => {
    const found = find(name)
    if (!found) return []
    flow.steps.push({ ...found, isListed: isListed.has(name) })
    if (found.activity.steers !== 'branch') return []
    const after: string[] = []
    const arms = armsOf(name, found.config, report)
    flow.branches.set(name, arms)
    for (const target of new Set([...arms.true, ...arms.false])) {
      if (isListed.has(target)) continue
      if (target === name) report(`Step '${name}': a branch cannot lead to itself`, { step: name })
      else if (!Object.hasOwn(configs, target)) {
        report(`Step '${name}': it leads to '${target}', which has no entry in step_configs`, { step: name })
      } else if (owners.has(target)) {
        report(`Step '${target}' is where '${owners.get(target)}' and '${name}' lead: list it in steps, at its place`, {
          step: target,
        })
      } else {
        owners.set(target, name)
        after.push(target)
      }
    }
    return after
  }

  for (const name of listed) {
    const open = [name]
    for (let next = open.pop(); next !== undefined; next = open.pop()) open.push(...add(next).reverse())
    yield
  }
  const placeOf = new Map(listed.map((name, at) => [name, at]))
  for (const { name, config, activity } of flow.steps) {
    if (activity.steers !== 'loop') continue
    const group = groupOf(name, config, (most) => before(listed, placeOf.get(name) ?? 0, most), report)
    if (group) flow.loops.set(name, withTargets(group, flow, isListed))
  }
  refuseNested(flow, report)
  refuseCollisions(flow, report)
  return flow
}

const armsOf = (name: string, config: Record<string, unknown>, report: Report): Arms => {
  const arm = (key: string): string[] => {
    if (config[`${key}_path`] !== undefined) {
      report(`Step '${name}': ${key} is the name of a step as it stands, and cannot come from a path`, {
        step: name,
        key: `${key}_path`,
      })
    }
    const written = config[key] ?? []
    const names = Array.isArray(written) ? written : [written]
    if (names.every((one) => typeof one === 'string')) return [...new Set(names)]
    report(`Step '${name}': ${key} must be the name of a step, a list of such names, or null`, { step: name, key })
    return []
  }
  return { true: arm('true_step'), false: arm('false_step') }
}

const before = (names: string[], at: number, most: number): string[] => names.slice(Math.max(0, at - most), at)

const mostNamed = 10
const named = (names: string[]): string =>
  `${names
    .slice(0, mostNamed)
    .map((name) => `'${name}'`)
    .join(', ')}${names.length > mostNamed ? ', …' : ''}`

/** Steps that a counter repeats: those listed right before it. */
const groupOf = (
  name: string,
  config: Record<string, unknown>,
  listedBefore: (most: number) => string[],
  report: Report,
): string[] | undefined => {
  const { steps } = config
  const isList = Array.isArray(steps) && steps.length > 0 && steps.every((step) => typeof step === 'string')
  if (!isList || config.steps_path !== undefined) {
    report(`Step '${name}': parameter 'steps' must list the names of the steps that are repeated, as they stand`, {
      step: name,
      key: 'steps',
    })
    return undefined
  }
  const wanted = new Set<string>(steps)
  const group = listedBefore(wanted.size)
  if (group.length === wanted.size && group.every((step) => wanted.has(step))) return group
  report(
    `Step '${name}': it repeats the steps that are listed right before it, without a gap; its 'steps' are ` +
      `${named(steps)}, but before it stand ${named(group) || 'none'}`,
    { step: name, key: 'steps' },
  )
  return undefined
}

/** A loop's steps with the targets of their branches. */
const withTargets = (group: string[], { branches }: Flow, isListed: ReadonlySet<string>): string[] => {
  const all = new Set(group)
  for (const name of all) {
    const { true: taken, false: other } = branches.get(name) ?? { true: [], false: [] }
    for (const target of [...taken, ...other]) if (!isListed.has(target)) all.add(target)
  }
  return [...all]
}

const refuseNested = ({ loops }: Flow, report: Report): void => {
  const repeatedBy = new Map<string, string>()
  for (const [counter, group] of loops) {
    for (const step of group) {
      const other = repeatedBy.get(step)
      if (loops.has(step) || other !== undefined) {
        report(
          `Step '${counter}': it repeats '${step}', which ${loops.has(step) ? 'repeats steps itself' : `'${other}' repeats too`}; ` +
            'a loop within a loop is a task of its own, started by run_workflow',
          { step: counter, key: 'steps' },
        )
      }
      repeatedBy.set(step, counter)
    }
  }
}

/** Iteration n of `x` is recorded as `x__n`, so no other step may have that name. */
const refuseCollisions = ({ steps, loops }: Flow, report: Report): void => {
  const repeated = new Set([...loops].flatMap(([counter, group]) => [counter, ...group]))
  for (const { name } of steps) {
    const base = /^(.+)__\d+$/.exec(name)?.[1]
    if (base === undefined || !repeated.has(base)) continue
    report(`Step name '${name}' is what a further turn of '${base}' is recorded as: choose another one`, {
      step: name,
    })
  }
}

/**
 * Sorts steps after their dependencies, otherwise in their order. `after` returns the indices of a step's dependencies.
 * Reports cycles.
 */
export const topological = (names: string[], after: number[][], report: Report): number[] => {
  const order: number[] = []
  const placed = new Set<number>()
  const open = new Set(names.keys())
  while (open.size > 0) {
    const ready = [...open].find((index) => after[index]?.every((other) => placed.has(other)))
    if (ready === undefined) {
      const stuck = [...open].map((index) => `'${names[index]}'`).slice(0, 10)
      report(`Steps wait for one another in a circle: ${stuck.join(', ')}`)
      return [...names.keys()]
    }
    open.delete(ready)
    placed.add(ready)
    order.push(ready)
  }
  return order
}

/** Reads the top-level key that selects parallel execution. */
export const isParallel = (workflow: Workflow, report: Report): boolean => {
  const written = workflow.execution ?? 'sequential'
  if (written === 'parallel' || written === 'sequential') return written === 'parallel'
  // Older workflows may hold anything under this key, which had no meaning then: only a text can be a mistake.
  if (typeof written === 'string' || !isObject(written)) {
    report(`execution must be "sequential" or "parallel", not ${JSON.stringify(written)}`, { key: 'execution' })
  }
  return false
}

/** With more steps than this, misspelt names are not compared with all of them. */
const mostStepsToGuess = 1_000

/** Finds the step or other root that was probably intended. */
export type GuessStep = (name: string) => string | undefined

export const stepGuess = (guess: Guess, names: string[]): GuessStep => {
  const roots = names.length > mostStepsToGuess ? [] : [...names, ...reservedStepNames]
  return (name) => guess(name, roots)
}

const twiceHint = 'Give the second step a name and a config of its own. loop_counter repeats steps.'

/** Returns the listed names without duplicates. Reports names that no step may have. */
export const checkNames = (names: string[], report: Report): string[] => {
  const seen = new Set<string>()
  for (const [at, name] of names.entries()) {
    const site = { key: 'steps', inside: [at] }
    if (!stepNamePattern.test(name) || reservedStepNames.includes(name)) {
      report(
        `Step name '${name}' is not allowed: expected a letter or underscore, then letters, digits, '_' or '-', at most 64, and neither init_params nor env`,
        site,
      )
    }
    if (seen.has(name)) report(`Step '${name}' is listed twice in steps`, { ...site, hint: twiceHint })
    seen.add(name)
  }
  return [...seen]
}

const activityHint = 'GET /api/v1/step-templates lists the activities.'
const configHint = 'Add its config to step_configs, or remove it from steps.'

/** Finds the activity that users of other systems look for under this name. */
const namedElsewhere = (activities: ActivityRegistry, name: string): string | undefined =>
  [...activities.values()].find(({ alsoCalled }) => alsoCalled.includes(name.toLowerCase()))?.name

/** Error for an unknown activity; clients match this sentence. */
const noActivity = (activity: string): string => `No step registered for '${activity}'`

const findActivity = (activities: ActivityRegistry, name: string): Activity | undefined =>
  activities.get(name) ?? (isWorkerActivity(name) ? workerActivity(name) : undefined)

/** Makes the function that returns a step by its name, or reports why it cannot execute. */
export const stepFinder = (
  { step_configs: configs = {}, steps = [] }: Workflow,
  activities: ActivityRegistry,
  { report, guess, guessStep }: { report: Report; guess: Guess; guessStep: GuessStep },
) => {
  const placeOf = new Map(steps.map((name, at) => [name, at]))
  return (name: string): Omit<WrittenStep, 'isListed'> | undefined => {
    const config = Object.hasOwn(configs, name) ? configs[name] : undefined
    if (!isObject(config)) {
      const meant = guessStep(name)
      const at = placeOf.get(name)
      const site = { key: 'steps', inside: at === undefined ? [] : [at] }
      report(`Step '${name}' has no entry in step_configs${question(meant)}`, { ...site, meant, hint: configHint })
      return undefined
    }
    const activity = typeof config.activity === 'string' ? findActivity(activities, config.activity) : undefined
    if (activity) return { name, config, activity }
    if (typeof config.activity !== 'string') {
      report(`Step '${name}' names no activity`, { step: name, hint: activityHint })
    } else {
      const meant = namedElsewhere(activities, config.activity) ?? guess(config.activity, activities.keys())
      report(noActivity(config.activity), { step: name, key: 'activity', meant, hint: activityHint })
    }
    return undefined
  }
}
