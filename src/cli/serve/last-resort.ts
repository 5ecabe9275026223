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
    log.error({ err: reason }, 'a bug: a rejected promise was not handled; the server continues. Please report it')
  })
  process.on('uncaughtException', (error) => {
    if (isHarmless(error)) return log.error({ err: error }, 'an error was not handled; the server continues')
    log.fatal({ err: error }, 'a bug: an exception was not caught; the server ends with exit code 70. Please report it')
    process.exit(70)
  })
}
