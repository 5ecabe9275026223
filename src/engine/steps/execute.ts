import type { z } from 'zod'
import {
  type ActivityContext,
  type ActivityResult,
  FailedWith,
  WaitForDecision,
  WaitForRuns,
  WaitUntil,
} from '../../activities/activity.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import { WaitForEvent } from '../../model/events/awaited-event.ts'
import { AwaitsBatch, WaitForBatch } from '../../model/gateway/collected-call.ts'
import { WaitForJob } from '../../model/workers/worker-job-request.ts'
import { Fenced } from '../journal/journal-sender.ts'
import type { ProgramStep } from '../program/program.ts'
import type { Retry } from '../program/step-options.ts'
import type { StepClock } from './step-clock.ts'
import type { StepPlace, StepRun } from './step-run.ts'

/** Tries of one step while its failures are of the kind that trying again can help. */
const mostTries = 3
const firstBackoffMs = 500
const longestBackoffMs = 60_000

/** How long an interrupted runbook or script may take to end: storing its files takes time. */
const windUpMs = 120_000

interface Execution {
  run: StepRun
  place: StepPlace
  parameters: Record<string, unknown>
  timeLimit: TimeLimit
  /** Counts the time limit down. */
  clock: StepClock
  /** Failed attempts before this execution that count: a step executes again after each job of a worker. */
  failedBefore: number
  /** Records the attempt that failed, and waits for the next one; rejects when that cannot begin. */
  pause(failed: AppError, milliseconds: number, signal: AbortSignal): Promise<void>
  context(attempt: number, signal: () => AbortSignal): ActivityContext
}

/** A time limit of a step: for all attempts with their pauses, for the rest of the run, or for one attempt. */
export interface TimeLimit {
  seconds: number
  /** What is left of them when the activity begins: a step with tools begins again after each run of a task. */
  leftSeconds: number
  of: 'step' | 'run' | 'try'
}

/** The parameters as the activity declares them: defaults filled in, types checked. Errors name step and parameter. */
export const checkedParameters = (
  step: Pick<ProgramStep, 'name' | 'activity'>,
  parameters: Record<string, unknown>,
): Record<string, unknown> => {
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

const explain = (
  step: Pick<ProgramStep, 'name' | 'activity'>,
  error: z.ZodError,
  given: Record<string, unknown>,
): string =>
  error.issues
    .map((issue) => {
      const name = issue.path.map(String).join('.')
      if (name === '') return `Step '${step.name}' (${step.activity.name}): ${issue.message}`
      const missing = issue.path.length === 1 && !Object.hasOwn(given, name)
      return missing
        ? `Step '${step.name}': ${name} is required, a parameter of ${step.activity.name}`
        : `Step '${step.name}': parameter '${name}' of ${step.activity.name} is not valid: ${issueText(issue)}`
    })
    .join('; ')

/** The step was stopped from outside: its run was asked to end, or the process stops. */
export class Interrupted extends AppError {
  constructor(step: string) {
    super('cancelled', `Step '${step}' was interrupted`)
  }
}

/** Nothing more of the run is carried out, whatever the step's options say. */
export class RunOutOfTime extends AppError {
  constructor() {
    super('timed_out', 'The run used up its time for work', {
      hint: 'Split the workflow, or raise JETTY_RUN_TIMEOUT_SECONDS.',
    })
  }
}

/**
 * Executes a step's activity until it returns outputs, asks to wait, or fails for good. Temporary failures are retried
 * here, with the same idempotency key. An interrupted run and a time limit fire the signal and end this at once, even
 * if the activity ignores the signal.
 */
export const executeActivity = (execution: Execution): Promise<ActivityResult> => {
  const { place, timeLimit } = execution
  const parameters = checkedParameters(place.step, execution.parameters)
  const attempts = (over: LazyAbort) => tryAgain(execution, parameters, over)
  // A runbook may wait long for a sandbox, so it watches the time of its run itself.
  if (timeLimit.of === 'try' || place.step.activity.carriesOut) return interruptible(execution, undefined, attempts)
  return interruptible(execution, timeLimit, attempts)
}

/** Ends work for the step when its run is interrupted, or its time is over. */
const interruptible = async (
  { run, place, clock }: Execution,
  limit: TimeLimit | undefined,
  work: (over: LazyAbort) => Promise<ActivityResult>,
): Promise<ActivityResult> => {
  if (limit && limit.leftSeconds <= 0) throw timedOut(place.name, limit)
  const over = lazyAbort()
  let endLimit = () => {}
  let windUp: NodeJS.Timeout | undefined
  let stopped: AppError | undefined
  let interrupt = () => {}
  const outcome = new Promise<ActivityResult>((resolve, reject) => {
    const stop = (reason: AppError) => {
      stopped ??= reason
      const isLeft = reason instanceof Interrupted && !run.requested && !run.failure
      const { carriesOut, inSandbox } = place.step.activity
      if ((carriesOut || inSandbox) && !isLeft) windUp ??= setTimeout(() => reject(reason), windUpMs)
      else reject(reason)
      over.abort()
    }
    if (limit) endLimit = clock.begin(limit.leftSeconds * 1000, () => stop(timedOut(place.name, limit)))
    interrupt = () => stop(new Interrupted(place.name))
    run.interrupts.add(interrupt)
    if (run.requested || run.failure) interrupt()
    work(over).then(
      (result) => resolve(stopped && result instanceof FailedWith ? new FailedWith(stopped, result.outputs) : result),
      (error) => reject(stopped ?? error),
    )
  })
  try {
    return await outcome
  } finally {
    endLimit()
    clearTimeout(windUp)
    run.interrupts.delete(interrupt)
  }
}

interface LazyAbort {
  isAborted(): boolean
  signal(): AbortSignal
  abort(): void
}

/** Most activities never use their signal, so it is made on first use. */
const lazyAbort = (): LazyAbort => {
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

const timedOut = (name: string, { seconds, of }: TimeLimit): AppError => {
  if (of === 'run') return new RunOutOfTime()
  const hint =
    of === 'try'
      ? 'Raise options.timeout_sec of the step.'
      : 'Raise timeout_sec of the step, or JETTY_STEP_TIMEOUT_SECONDS.'
  return new AppError('timed_out', `Step '${name}' timed out after ${seconds} s`, { hint })
}

const tryAgain = async (
  execution: Execution,
  parameters: Record<string, unknown>,
  over: LazyAbort,
): Promise<ActivityResult> => {
  const { place } = execution
  const { step } = place
  for (let tries = execution.failedBefore + 1; ; tries++) {
    try {
      const result = await oneTry(execution, parameters, over)
      if (result instanceof FailedWith) {
        const isAgain = !over.isAborted() && isWorthATry(step, result.error, tries, place.attempt)
        if (!isAgain) return result
        throw result.error
      }
      if (isWait(result) || isObject(result)) return result
      throw new AppError('activity_failed', `Activity ${step.activity.name} gave no object as outputs`)
    } catch (thrown) {
      if (thrown instanceof AwaitsBatch) return new WaitForBatch()
      if (thrown instanceof Fenced || thrown instanceof Interrupted) throw thrown // to go on elsewhere
      const error = asStepError(thrown)
      if (over.isAborted() || !isWorthATry(step, error, tries, place.attempt)) throw error
      const leftMs = execution.clock.leftMs()
      if ((error.retryAfterSeconds ?? 0) * 1000 >= leftMs) throw error // the service asks for more than the step has
      await execution.pause(error, pauseBefore(step.options.retry, tries, error, leftMs), over.signal())
      place.attempt++
    }
  }
}

const oneTry = (
  execution: Execution,
  parameters: Record<string, unknown>,
  over: LazyAbort,
): Promise<ActivityResult> => {
  const { place, timeLimit } = execution
  const begin = ({ signal }: LazyAbort) => place.step.activity.run(parameters, execution.context(place.attempt, signal))
  return timeLimit.of === 'try' ? interruptible(execution, timeLimit, begin) : begin(over)
}

/**
 * With options the tries of all processes count, and so do those of workers; others begin anew with a takeover. What an agent has done costs too
 * much to be repeated unasked.
 */
const isWorthATry = ({ options, activity }: ProgramStep, error: AppError, tries: number, attempt: number): boolean => {
  const { retry } = options
  if (!retry) return error.retryable && tries < mostTries && activity.carriesOut === undefined
  if (attempt >= retry.maxAttempts) return false
  return retry.on === undefined ? error.retryable : retry.on === 'all' || retry.on.has(error.code)
}

/**
 * Milliseconds: as long as the service asks, or with jitter, so that steps that failed together are not retried
 * together. A service that asks for no wait gets the shortest pause: its clock may differ from ours.
 */
const pauseBefore = (retry: Retry | undefined, tries: number, error: AppError, leftMs: number): number => {
  const longest = retry ? retry.maxSeconds * 1000 : longestBackoffMs
  const first = retry ? retry.initialSeconds * 1000 : firstBackoffMs
  const factor = retry?.factor ?? 4
  const backoff = backoffMs(tries, { firstMs: first, longestMs: longest, factor, jitter: 0.2 })
  if (error.retryAfterSeconds === undefined) return backoff
  const asked = Math.max(error.retryAfterSeconds * 1000, Math.min(firstBackoffMs, backoff))
  return Number.isFinite(leftMs) ? asked : Math.min(asked, Math.max(longest, longestBackoffMs))
}

/** Does an activity ask to wait, instead of giving outputs? */
export const isWait = (
  result: ActivityResult,
): result is WaitUntil | WaitForRuns | WaitForDecision | WaitForEvent | WaitForJob | WaitForBatch =>
  result instanceof WaitForBatch ||
  result instanceof WaitUntil ||
  result instanceof WaitForRuns ||
  result instanceof WaitForDecision ||
  result instanceof WaitForEvent ||
  result instanceof WaitForJob

/** Converts anything thrown by an activity to the failure of the step, with its message. */
export const asStepError = (thrown: unknown): AppError =>
  thrown instanceof AppError ? thrown : new AppError('activity_failed', messageOf(thrown), { cause: thrown })
