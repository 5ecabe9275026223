import { AppError, messageOf } from './errors.ts'

const fewer = 'or let fewer runbooks run at once (JETTY_SANDBOXES).'

const remedies: readonly [said: RegExp, remedy: string][] = [
  [
    /\bE[MN]FILE\b|Too many open files/i,
    `The server may open no more files: raise its limit (\`ulimit -n\`, LimitNOFILE= of a unit), ${fewer}`,
  ],
  [
    /\bEAGAIN\b|Resource temporarily unavailable|cannot fork/i,
    `No more processes may be started: raise the limit (\`ulimit -u\`, TasksMax= of a unit, pids of a container), ${fewer}`,
  ],
  [
    /\bENOMEM\b|Cannot allocate memory/i,
    `The machine, or what the server may use of it, is out of memory: free some, ${fewer}`,
  ],
]

/** What to do where a machine, or a limit of this process, has no more of what was asked for; undefined for anything else. */
export const exhaustionRemedy = (said: string): string | undefined =>
  remedies.find(([pattern]) => pattern.test(said))?.[1]

/** Whether something could not be looked up for want of means: what it would have said is not known. */
export const isExhausted = (error: unknown): boolean =>
  exhaustionRemedy((error as NodeJS.ErrnoException).code ?? '') !== undefined

/** The same as what it is for a sandbox; any other error as it is. */
export const asExhausted = (error: unknown, what: string): unknown => {
  const hint = error instanceof AppError ? undefined : exhaustionRemedy((error as NodeJS.ErrnoException).code ?? '')
  return hint === undefined
    ? error
    : new AppError('sandbox_unavailable', `${what}: ${messageOf(error)}`, { hint, cause: error })
}
