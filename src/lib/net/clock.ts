import { AppError } from '../errors.ts'
import { shown } from './hop.ts'

/** Rejects on timeout or when the caller's signal fires, and aborts the request of undici. */
export const makeClock = (seconds: number, caller: AbortSignal | undefined, target: URL) => {
  const control = new AbortController()
  let reject: (reason: AppError) => void
  const stopped = new Promise<never>((_, rejecting) => {
    reject = rejecting
  })
  stopped.catch(() => {})
  const stop = (reason: AppError) => {
    reject(reason)
    control.abort(reason)
  }
  const onAbort = () =>
    stop(new AppError('cancelled', `The request to ${shown(target)} was interrupted`, { cause: caller?.reason }))
  const timer = setTimeout(
    () => stop(new AppError('timed_out', `The request to ${shown(target)} took longer than ${seconds} s`)),
    seconds * 1000,
  )
  if (caller?.aborted) onAbort()
  caller?.addEventListener('abort', onAbort, { once: true })
  const clear = () => {
    clearTimeout(timer)
    caller?.removeEventListener('abort', onAbort)
  }
  return { signal: control.signal, stopped, clear }
}
