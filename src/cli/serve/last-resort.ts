import { isExhausted } from '../../lib/exhaustion.ts'
import type { Logger } from '../../lib/log.ts'

/** Stream errors and resource exhaustion, after which the process state is intact. */
const isHarmless = (error: unknown): boolean =>
  isExhausted(error) || ['EPIPE', 'ECONNRESET'].includes((error as NodeJS.ErrnoException | null)?.code ?? '')

/**
 * Decides about uncaught errors instead of Node, which would end the process. After a rejected promise the process
 * continues, since its state is intact. After an exception its state is unknown: it exits, and the next start continues
 * the runs.
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
