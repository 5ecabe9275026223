import { setTimeout as delay } from 'node:timers/promises'
import {
  type Activity,
  type ActivityContext,
  FailedWith,
  type Json,
  type WaitForRuns,
} from '../../../activities/activity.ts'
import { backoffMs } from '../../../lib/backoff.ts'
import { AppError } from '../../../lib/errors.ts'
import { jsonSize, uncountedBytes } from '../../../lib/memory/json-memory.ts'
import type { ToolRequest } from '../../../model/runs/step-call.ts'
import { Fenced } from '../../journal/journal-sender.ts'
import type { ProgramTool } from '../../program/tools.ts'
import type { OwnContext } from '../activity-context.ts'
import { asStepError, checkedParameters, isWait } from '../execute.ts'
import type { StepAtWork } from '../step-at-work.ts'
import type { StepSide } from '../step-side.ts'
import type { StepCalls } from './step-calls.ts'
import { readArguments } from './tool-arguments.ts'
import { activityResult, type CallOutcome, failureResult } from './tool-result.ts'

/** What the tool calls of one attempt of a step share. */
export interface ToolScope {
  work: StepAtWork
  calls: StepCalls
  /** Parameters of the step, resolved: with the values that its tools fix. */
  parameters: Record<string, unknown>
  signal(): AbortSignal
  /** The tools of the step. A tool that starts a task has the parameters of that task. */
  tools(): Promise<ProgramTool[]>
  /** The run that the step is about to wait for: it waits for one at a time. */
  waiting: Promise<WaitForRuns<never>> | undefined
  /** Makes the context of a tool call, with files and warnings of its own. */
  contextOf(side: StepSide, own: OwnContext, signal: () => AbortSignal): ActivityContext
}

/** The parameters of a tool that the workflow fixes, resolved. */
export const fixedBy = ({ parameters }: ToolScope, at: number): Record<string, unknown> =>
  (parameters.tools as { config: Record<string, unknown> }[])[at]?.config ?? {}

/** Tries of one call whose failure may pass. */
const mostTries = 3
const toolBackoff = { firstMs: 500, longestMs: 30_000, factor: 4 }

interface ActivityCall {
  name: string
  activity: Activity
  parameters: Record<string, unknown>
  timeoutSeconds: number
  /** Fires when the step ends. */
  signal: AbortSignal
  /** Makes the context of one try. */
  contextOf(signal: AbortSignal): ActivityContext
}

/** Whether an error is about the step and not about the call: the model is not told. */
const isOfStep = (error: unknown, signal: AbortSignal): boolean =>
  signal.aborted || error instanceof Fenced || (error instanceof AppError && error.code === 'database_unavailable')

/** Executes the activity of a tool. What may pass is tried again. Throws its failure. */
const callActivity = async (call: ActivityCall): Promise<Record<string, Json> | FailedWith> => {
  const parameters = checkedParameters({ name: call.name, activity: call.activity }, call.parameters)
  for (let tries = 1; ; tries++) {
    try {
      return await tryActivity(call, parameters)
    } catch (thrown) {
      const error = asStepError(thrown)
      if (isOfStep(thrown, call.signal) || !error.retryable || tries >= mostTries) throw thrown
      const { retryAfterSeconds: asked } = error
      const pauseMs = Math.max(backoffMs(tries, toolBackoff, asked), toolBackoff.firstMs)
      await delay(Math.min(pauseMs, toolBackoff.longestMs), undefined, { signal: call.signal })
    }
  }
}

const tryActivity = async (call: ActivityCall, parameters: Record<string, unknown>) => {
  const { name, activity, timeoutSeconds, signal } = call
  const timeout = new AbortController()
  const until = AbortSignal.any([signal, timeout.signal])
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new AppError('timed_out', `Tool '${name}' timed out after ${timeoutSeconds} s`, { retryable: false }))
      timeout.abort()
    }, timeoutSeconds * 1000)
  })
  try {
    const result = await Promise.race([activity.run(parameters, call.contextOf(until)), over])
    if (isWait(result)) throw new AppError('activity_failed', `${activity.name} waits, and cannot be a tool`)
    return result
  } finally {
    clearTimeout(timer)
  }
}

interface Carried {
  call: ToolRequest
  ordinal: number
  side: StepSide
  /** Index of the tool in its step. */
  at: number
}

/** Executes the activity of a tool. A failure of the call is an outcome; throws what is about the step. */
export const outcomeOfActivity = async (
  scope: ToolScope,
  tool: ProgramTool,
  carried: Carried,
): Promise<CallOutcome> => {
  const { work, signal } = scope
  const { side } = carried
  const read = readArguments(tool, carried.call.arguments)
  if ('refusal' in read) return { status: 'refused', content: `Error: ${read.refusal}.` }
  try {
    return await resultOf(scope, tool, carried, read.given)
  } catch (thrown) {
    discard(work, side)
    if (isOfStep(thrown, signal())) throw thrown
    return failureResult(asStepError(thrown), work.run.environment.scrub)
  }
}

/** Removes the files of a try that failed. */
const discard = ({ engine }: StepAtWork, { files }: StepSide): void => {
  const objects = files.splice(0).map(({ object }) => object)
  if (objects.length > 0) void engine.objects.remove(objects).catch(() => {})
}

const hasBegun = (calls: StepCalls, { turn, id }: ToolRequest): boolean =>
  calls.rows.some((row) => row.type === 'tool_started' && row.turn === turn && row.id === id)

const resultOf = async (
  scope: ToolScope,
  tool: ProgramTool,
  { call, ordinal, side, at }: Carried,
  given: Record<string, unknown>,
): Promise<CallOutcome> => {
  const { work, calls, signal } = scope
  const { engine, run, place, memory } = work
  const { activity } = tool
  if (!activity) throw new AppError('internal', `Tool '${tool.name}' has no activity`)
  const fixed = fixedBy(scope, at)
  const interrupted = hasBegun(calls, call)
  const own: OwnContext = { idempotencyKey: `${run.key}/${place.seq}/${ordinal}`, interrupted }
  let hasStarted = interrupted
  const recordStart = async (): Promise<void> => {
    if (hasStarted) return
    hasStarted = true
    await calls.add({ type: 'tool_started', turn: call.turn, id: call.id, tool: tool.name })
  }
  const result = await callActivity({
    name: tool.name,
    activity,
    parameters: { ...given, ...fixed },
    timeoutSeconds: tool.timeoutSeconds ?? activity.timeoutSeconds ?? engine.limits.stepTimeoutSeconds,
    signal: signal(),
    contextOf(until) {
      discard(work, side) // of a failed try
      const context = scope.contextOf(side, own, () => until)
      // A spread leaves the signal out, which is a getter.
      return { ...context, signal: until, recordStart }
    },
  })
  const outputs = result instanceof FailedWith ? result.outputs : result
  const size = jsonSize(outputs, engine.limits.maxOutputBytes)
  if (size > uncountedBytes) await memory.room(2 * size)
  return activityResult(result, run.environment.scrub)
}
