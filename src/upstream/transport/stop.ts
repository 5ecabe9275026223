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
  let control: AbortController | undefined
  const stop: Stop & { reason: AppError | undefined } = {
    reason: undefined,
    get signal() {
      control ??= new AbortController()
      if (stop.reason) control.abort(stop.reason)
      return control.signal
    },
    stop(why = clientLeft()) {
      if (stop.reason) return
      stop.reason = why
      control?.abort(why)
      for (const callback of callbacks) callback(why)
      callbacks.clear()
    },
    onStop(callback) {
      if (stop.reason) callback(stop.reason)
      else callbacks.add(callback)
      return () => void callbacks.delete(callback)
    },
  }
  return stop
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
