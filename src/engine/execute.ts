import { setTimeout as delay } from 'node:timers/promises'
import type { z } from 'zod'
import {
  type ActivityContext,
  type ActivityResult,
  WaitForDecision,
  WaitForRuns,
  WaitUntil,
} from '../activities/activity.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { issueText } from '../lib/issue-text.ts'
import { isObject } from '../lib/json-object.ts'
import type { LiveRun, Place } from './context.ts'
import type { ProgramStep } from './program.ts'

/** Tries of one step while its failures are of the kind that trying again can help. */
const mostTries = 3
const firstBackoffMs = 500
const longestBackoffMs = 60_000

export interface Execution {
  run: LiveRun
  place: Place
  parameters: Record<string, unknown>
  /** Seconds; reaching it fails the step. */
  timeLimit: { seconds: number; of: 'step' | 'run' }
  context(attempt: number, signal: () => AbortSignal): ActivityContext
}

/** The parameters as the activity declares them: defaults filled in, types checked. Errors name step and parameter. */
const checkParameters = (step: ProgramStep, parameters: Record<string, unknown>): Record<string, unknown> => {
  const given = Object.entries(parameters).filter(([, value]) => value !== null)
  const shape = step.activity.parameters.shape
  const declared = Object.fromEntries(given.filter(([name]) => Object.hasOwn(shape, name)))
  const parsed = step.activity.parameters.safeParse(declared)
  if (!parsed.success) {
    throw new AppError('parameter_invalid', explain(step, parsed.error, declared), {
      hint: `GET /api/v1/step-templates/${step.activity.name} lists the parameters.`,
    })
  }
  if (!step.activity.takesAnyParameter) return parsed.data
  const extra = Object.fromEntries(given.filter(([name]) => !Object.hasOwn(shape, name)))
  return { ...parsed.data, extra }
}

const explain = (step: ProgramStep, error: z.ZodError, given: Record<string, unknown>): string =>
  error.issues
    .map((issue) => {
      const name = issue.path.map(String).join('.')
      if (name === '') return `Step '${step.name}' (${step.activity.name}): ${issue.message}`
      const missing = issue.path.length === 1 && !Object.hasOwn(given, name)
      return missing
        ? `Step '${step.name}': parameter '${name}' of ${step.activity.name} is required`
        : `Step '${step.name}': parameter '${name}' of ${step.activity.name} is not valid: ${issueText(issue)}`
    })
    .join('; ')

/** The step was stopped from outside: its run was asked to end, or the process stops. */
export class Interrupted extends AppError {
  constructor(step: string) {
    super('cancelled', `Step '${step}' was interrupted`)
  }
}

/**
 * Runs one step's activity until it gives outputs, asks to wait, or fails for good. Failures that may pass are tried
 * again here, with the same idempotency key. Interrupting the run or reaching the time limit fires the signal and
 * ends this at once, whether or not the activity listens.
 */
export const executeActivity = async (execution: Execution): Promise<ActivityResult> => {
  const { run, place, timeLimit } = execution
  const { step } = place
  const parameters = checkParameters(step, execution.parameters)
  const over = lazyAbort()
  let timer: NodeJS.Timeout | undefined
  let interrupt = () => {}
  const outcome = new Promise<ActivityResult>((resolve, reject) => {
    const stop = (reason: AppError) => {
      reject(reason)
      over.abort()
    }
    timer = setTimeout(() => stop(timedOut(step, timeLimit)), timeLimit.seconds * 1000)
    interrupt = () => stop(new Interrupted(step.name))
    run.interrupts.add(interrupt)
    if (run.requested) interrupt()
    attempts(execution, parameters, over).then(resolve, reject)
  })
  try {
    return await outcome
  } finally {
    clearTimeout(timer)
    run.interrupts.delete(interrupt)
  }
}

/** Most activities never look at their signal: it is made for the first that does. */
const lazyAbort = () => {
  let controller: AbortController | undefined
  let aborted = false
  return {
    isAborted: () => aborted,
    signal() {
      controller ??= new AbortController()
      if (aborted) controller.abort()
      return controller.signal
    },
    abort() {
      aborted = true
      controller?.abort()
    },
  }
}

const timedOut = (step: ProgramStep, limit: Execution['timeLimit']): AppError =>
  limit.of === 'step'
    ? new AppError('timed_out', `Step '${step.name}' timed out after ${limit.seconds} s`, {
        hint: 'Raise timeout_sec of the step, or JETTY_STEP_TIMEOUT_SECONDS.',
      })
    : new AppError('timed_out', 'The run used up its time for work', {
        hint: 'Split the workflow, or raise JETTY_RUN_TIMEOUT_SECONDS.',
      })

const attempts = async (
  execution: Execution,
  parameters: Record<string, unknown>,
  over: ReturnType<typeof lazyAbort>,
): Promise<ActivityResult> => {
  const { step } = execution.place
  for (let tries = 1; ; tries++) {
    try {
      const result = await step.activity.run(parameters, execution.context(execution.place.attempt, over.signal))
      if (isWait(result) || isObject(result)) return result
      throw new AppError('activity_failed', `Activity ${step.activity.name} gave no object as outputs`)
    } catch (thrown) {
      const error = asStepError(thrown)
      if (!error.retryable || tries >= mostTries || over.isAborted()) throw error
      const backoff = firstBackoffMs * 4 ** (tries - 1) * (0.8 + Math.random() * 0.4)
      const milliseconds = Math.min((error.retryAfterSeconds ?? 0) * 1000 || backoff, longestBackoffMs)
      await delay(milliseconds, undefined, { signal: over.signal() })
      execution.place.attempt++
    }
  }
}

/** Does an activity ask to wait, instead of giving outputs? */
export const isWait = (result: ActivityResult): result is WaitUntil | WaitForRuns | WaitForDecision =>
  result instanceof WaitUntil || result instanceof WaitForRuns || result instanceof WaitForDecision

/** Whatever an activity threw, as a failure of the step: its own sentence is kept. */
export const asStepError = (thrown: unknown): AppError =>
  thrown instanceof AppError ? thrown : new AppError('activity_failed', messageOf(thrown), { cause: thrown })
