import { AppError, type ErrorCode } from '../lib/errors.ts'
import type { CallModel, FailedAttempt } from '../model/gateway/chat.ts'

/** Failures of one model that say nothing about the next. */
const ofOneModel = new Set<ErrorCode>(['model_unavailable', 'network_failed', 'timed_out'])
/** No credit, no such model, too slow, a conflict, too many calls: another one may do better. */
const passingStatuses = new Set([402, 404, 408, 409, 429])

/** Whether another model may answer where one failed so: not where the request is at fault, or its key. */
export const mayFallBack = (error: unknown): boolean => {
  if (!(error instanceof AppError)) return false
  if (ofOneModel.has(error.code)) return true
  const status = Number(error.extra?.upstream_status)
  return error.code === 'upstream_failed' && (passingStatuses.has(status) || status >= 500)
}

export interface FallbackOptions {
  /** No further model is asked after so many seconds. */
  seconds: number
  /** Told of each model that was asked in vain, before the next one is. */
  onFallback?(failed: FailedAttempt): void
}

/**
 * Asks one model after the other until one answers; the failure of the last one asked is thrown. `ask` gives its answer
 * before anything went to the client: after that there is no other model.
 */
export const withFallback = async <Answer>(
  models: readonly [string, ...string[]],
  ask: (model: string, place: number) => Promise<Answer>,
  { seconds, onFallback }: FallbackOptions,
): Promise<Answer> => {
  const until = performance.now() + seconds * 1000
  for (const [place, model] of models.entries()) {
    try {
      return await ask(model, place)
    } catch (error) {
      const isLast = place === models.length - 1
      if (isLast || !mayFallBack(error) || performance.now() >= until) throw error
      const { code, message } = error as AppError
      onFallback?.({ model, code, message })
    }
  }
  throw new AppError('internal', 'No model was named')
}

/** The same call, with the models that its caller falls back on; a provider or key that came with it is the first one's. */
export const callWithFallback =
  (call: CallModel, seconds: number): CallModel =>
  (request, caller, options) => {
    const { fallbackModels = [], onFallback } = caller
    if (fallbackModels.length === 0) return call(request, caller, options)
    return withFallback(
      [request.model, ...fallbackModels],
      (model, place) => (place === 0 ? call(request, caller, options) : call({ ...request, model }, caller)),
      { seconds, ...(onFallback ? { onFallback: (failed) => onFallback.call(caller, failed) } : {}) },
    )
  }
