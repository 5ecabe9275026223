import type { Activity, ActivityRegistry } from '../../activities/activity.ts'
import { workerActivity } from '../../activities/workers/worker-activity.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { Guess } from '../../lib/text/nearest.ts'
import { isWorkerActivity } from '../../model/workers/worker.ts'
import { reservedStepNames, stepNamePattern, type Workflow } from '../../model/workflows/workflow.ts'
import { question, type Report } from './finding.ts'
import type { WrittenStep } from './flow.ts'

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
