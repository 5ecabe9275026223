import { AppError } from '../lib/errors.ts'

/**
 * Tells those who work on a call that it is to end, and why. An AbortSignal with a listener costs a call as much as all of
 * its routing, so one is made only where somebody asks for it.
 */
export interface Stop {
  /** What the call ends with, once it was stopped. */
  readonly reason: AppError | undefined
  /** Aborted with the same reason. */
  readonly signal: AbortSignal
  stop(reason?: AppError): void
  /** Calls back once it stops; gives the function that takes it back. Stopped already, it calls at once. */
  onStop(callback: (reason: AppError) => void): () => void
}

export const clientLeft = (): AppError => new AppError('cancelled', 'The client went away before the answer was there')

export const makeStop = (): Stop => {
  const callbacks = new Set<(reason: AppError) => void>()
  let reason: AppError | undefined
  let control: AbortController | undefined
  return {
    get reason() {
      return reason
    },
    get signal() {
      control ??= new AbortController()
      if (reason) control.abort(reason)
      return control.signal
    },
    stop(why = clientLeft()) {
      if (reason) return
      reason = why
      control?.abort(why)
      for (const callback of callbacks) callback(why)
      callbacks.clear()
    },
    onStop(callback) {
      if (reason) callback(reason)
      else callbacks.add(callback)
      return () => void callbacks.delete(callback)
    },
  }
}
