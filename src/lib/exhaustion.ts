import { AppError, messageOf } from './errors.ts'

const fewer = 'or run fewer runbooks at once (JETTY_SANDBOXES).'

const remedies: readonly [said: RegExp, remedy: string][] = [
  [
    /\bE[MN]FILE\b|Too many open files/i,
    `The server has reached its limit of open files: raise it (\`ulimit -n\`, LimitNOFILE= of a unit), ${fewer}`,
  ],
  [
    /\bEAGAIN\b|Resource temporarily unavailable|cannot fork/i,
    `The limit of processes is reached: raise it (\`ulimit -u\`, TasksMax= of a unit, pids of a container), ${fewer}`,
  ],
  [
    /\bENOMEM\b|Cannot allocate memory/i,
    `The machine, or the memory limit of the server, is exhausted: free some memory, ${fewer}`,
  ],
]

/** Remedy for an error message of an exhausted resource (of the host or of this process); undefined for any other. */
export const exhaustionRemedy = (said: string): string | undefined =>
  remedies.find(([pattern]) => pattern.test(said))?.[1]

/** Whether a lookup failed for lack of resources, so that its answer is unknown. */
export const isExhausted = (error: unknown): boolean =>
  exhaustionRemedy((error as NodeJS.ErrnoException).code ?? '') !== undefined

/** Converts an exhaustion error to `sandbox_unavailable`; returns any other error unchanged. */
export const asExhausted = (error: unknown, what: string): unknown => {
  const hint = error instanceof AppError ? undefined : exhaustionRemedy((error as NodeJS.ErrnoException).code ?? '')
  return hint === undefined
    ? error
    : new AppError('sandbox_unavailable', `${what}: ${messageOf(error)}`, { hint, cause: error })
}
