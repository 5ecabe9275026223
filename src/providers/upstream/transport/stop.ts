import { AppError } from '../../../lib/errors.ts'

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

/** A class, because Node 20 takes microseconds to make a literal with a getter. */
class OwnStop implements Stop {
  reason: AppError | undefined = undefined
  readonly #callbacks: ((reason: AppError) => void)[] = []
  #control: AbortController | undefined

  get signal(): AbortSignal {
    this.#control ??= new AbortController()
    if (this.reason) this.#control.abort(this.reason)
    return this.#control.signal
  }

  stop(why = clientLeft()): void {
    if (this.reason) return
    this.reason = why
    this.#control?.abort(why)
    for (const callback of this.#callbacks.splice(0)) callback(why)
  }

  onStop(callback: (reason: AppError) => void): () => void {
    if (this.reason) callback(this.reason)
    else this.#callbacks.push(callback)
    return () => {
      const at = this.#callbacks.indexOf(callback)
      if (at !== -1) this.#callbacks.splice(at, 1)
    }
  }
}

export const makeStop = (): Stop => new OwnStop()

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
