import { setTimeout as delay } from 'node:timers/promises'
import type { Activity, ActivityContext, FailedWith, Json } from '../../../activities/activity.ts'
import { AppError } from '../../../lib/errors.ts'
import { Fenced } from '../../journal/journal-sender.ts'
import { asStepError, checkedParameters, isWait } from '../execute.ts'

/** Tries of one call whose failure may pass. */
const mostTries = 3
const firstPauseMs = 500
const longestPauseMs = 30_000

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
export const isOfStep = (error: unknown, signal: AbortSignal): boolean =>
  signal.aborted || error instanceof Fenced || (error instanceof AppError && error.code === 'database_unavailable')

/** Executes the activity of a tool. What may pass is tried again. Throws its failure. */
export const callActivity = async (call: ActivityCall): Promise<Record<string, Json> | FailedWith> => {
  const parameters = checkedParameters({ name: call.name, activity: call.activity }, call.parameters)
  for (let tries = 1; ; tries++) {
    try {
      return await tryActivity(call, parameters)
    } catch (thrown) {
      const error = asStepError(thrown)
      if (isOfStep(thrown, call.signal) || !error.retryable || tries >= mostTries) throw thrown
      const { retryAfterSeconds: asked } = error
      const pauseMs = asked === undefined ? firstPauseMs * 4 ** (tries - 1) : Math.max(asked * 1000, firstPauseMs)
      await delay(Math.min(pauseMs, longestPauseMs), undefined, {
        signal: call.signal,
      })
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
