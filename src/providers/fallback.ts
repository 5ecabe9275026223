import { AppError, type ErrorCode } from '../lib/errors.ts'
import type { CallModel, FailedAttempt } from '../model/gateway/chat.ts'

/** Failures of one model that say nothing about the next one. */
const ofOneModel = new Set<ErrorCode>(['model_unavailable', 'network_failed', 'timed_out'])
/** No credit, unknown model, timeout, conflict, rate limit: another model may answer. */
const passingStatuses = new Set([402, 404, 408, 409, 429])

/** Whether a fallback model may be asked after a failure: not if the request or its key is at fault. */
export const mayFallBack = (error: unknown): boolean => {
  if (!(error instanceof AppError)) return false
  if (ofOneModel.has(error.code)) return true
  const status = Number(error.extra?.upstream_status)
  return error.code === 'upstream_failed' && (passingStatuses.has(status) || status >= 500)
}

export interface FallbackOptions {
  /** After this time no further model is asked. */
  seconds: number
  /** Whether the next model may be asked after a failure of the one at this place. Default: `mayFallBack`. */
  passes?(error: unknown, place: number): boolean
  /** Called for each model that failed, before the next one is asked. */
  onFallback?(failed: FailedAttempt): void
}

/**
 * Asks one model after the other until one answers. Throws the failure of the last one asked. `ask` must return before
 * anything is sent to the client: from then on there is no fallback.
 */
export const withFallback = async <Answer>(
  models: readonly [string, ...string[]],
  ask: (model: string, place: number) => Promise<Answer>,
  { seconds, passes = mayFallBack, onFallback }: FallbackOptions,
): Promise<Answer> => {
  const until = performance.now() + seconds * 1000
  for (const [place, model] of models.entries()) {
    try {
      return await ask(model, place)
    } catch (error) {
      const isLast = place === models.length - 1
      if (isLast || !passes(error, place) || performance.now() >= until) throw error
      const { code, message } = error as AppError
      onFallback?.({ model, code, message })
    }
  }
  throw new AppError('internal', 'No model was named')
}

/** The same call with the fallback models of its caller. An explicit provider or key is only for the first model. */
export const callWithFallback =
  (call: CallModel, seconds: number): CallModel =>
  (request, caller, options) => {
    const { fallbackModels = [], onFallback } = caller
    const { prefersJson, schema } = options ?? {}
    const further = prefersJson || schema ? { prefersJson, schema } : undefined
    if (fallbackModels.length === 0) return call(request, caller, options)
    return withFallback(
      [request.model, ...fallbackModels],
      (model, place) => (place === 0 ? call(request, caller, options) : call({ ...request, model }, caller, further)),
      { seconds, ...(onFallback ? { onFallback: (failed) => onFallback.call(caller, failed) } : {}) },
    )
  }
