import { AppError } from '../../lib/errors.ts'

/** The part of a `Stop` that a transport listens to. */
export interface StopListener {
  /** The error that the call ends with, once it has been stopped. */
  readonly reason: AppError | undefined
  /** Aborted with the same reason. */
  readonly signal: AbortSignal
  /** Calls back when the call is stopped, at once if it already is. Returns the function that removes the callback. */
  onStop(callback: (reason: AppError) => void): () => void
}

/**
 * Stops everything that works on a call. An AbortSignal with a listener costs as much as all routing of a call, so one is
 * created only for code that needs it.
 */
export interface Stop extends StopListener {
  /** Aborts with the same reason. */
  readonly signal: AbortSignal
  stop(reason?: AppError): void
}

export const clientLeft = (): AppError =>
  new AppError('cancelled', 'The client closed the connection before the answer was complete')

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

const abortReason = ({ reason }: AbortSignal): AppError =>
  reason instanceof AppError ? reason : new AppError('cancelled', 'The call was interrupted', { cause: reason })

/** Listens to an AbortSignal as to a `Stop`. */
export const stopFrom = (signal: AbortSignal): StopListener => ({
  signal,
  get reason() {
    return signal.aborted ? abortReason(signal) : undefined
  },
  onStop(callback) {
    const onAbort = () => callback(abortReason(signal))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    return () => signal.removeEventListener('abort', onAbort)
  },
})
