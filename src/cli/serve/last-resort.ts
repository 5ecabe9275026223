import { isExhausted } from '../../lib/exhaustion.ts'
import type { Logger } from '../../lib/log.ts'

/** Errors of a stream or for want of means, after which the process is as it was. */
const isHarmless = (error: unknown): boolean =>
  isExhausted(error) || ['EPIPE', 'ECONNRESET'].includes((error as NodeJS.ErrnoException | null)?.code ?? '')

/**
 * Decides what an error does that nothing has caught, instead of Node, which ends the process. A rejected promise leaves
 * the process as it was: it goes on. After an exception its state is unknown: it ends, and the next start goes on with the
 * runs.
 */
export const catchTheRest = (log: Logger): void => {
  process.on('unhandledRejection', (reason) => {
    log.error({ err: reason }, 'a bug: nothing handled a rejected promise; the server goes on. Please report it')
  })
  process.on('uncaughtException', (error) => {
    if (isHarmless(error)) return log.error({ err: error }, 'nothing handled an error; the server goes on')
    log.fatal({ err: error }, 'a bug: nothing caught an exception; the server ends with exit code 70. Please report it')
    process.exit(70)
  })
}
