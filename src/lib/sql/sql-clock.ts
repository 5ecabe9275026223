import { AppError } from '../errors.ts'

/** The time limit of a statement and the signal of its caller, as one promise that only rejects. */
interface SqlClock {
  stopped: Promise<never>
  clear(): void
}

/** The server ends a statement itself at its time limit; this is for a server that does not answer any more. */
const graceSeconds = 5

export const makeSqlClock = (seconds: number, signal: AbortSignal | undefined, server: string): SqlClock => {
  let reject: (reason: AppError) => void = () => {}
  const stopped = new Promise<never>((_, rejecting) => {
    reject = rejecting
  })
  stopped.catch(() => {})
  const interrupt = () => reject(new AppError('cancelled', `The statement at ${server} was interrupted`))
  const expire = () => reject(new AppError('timed_out', `The statement at ${server} took longer than ${seconds} s`))
  const timer = setTimeout(expire, (seconds + graceSeconds) * 1000)
  if (signal?.aborted) interrupt()
  signal?.addEventListener('abort', interrupt, { once: true })
  return {
    stopped,
    clear() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', interrupt)
    },
  }
}
