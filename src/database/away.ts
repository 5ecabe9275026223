import { AppError } from '../lib/errors.ts'

const connectionCodes = /^(08|25006|25P03|57P|53[023])|^E(CONN|PIPE|HOSTUNREACH|TIMEDOUT|AI_AGAIN)/
const connectionTexts = /terminat|timeout|Connection|closed|not queryable|ended/
const readOnlyCode = '25006'

/** Whether an error means that Postgres is unreachable or read-only, so that a retry may succeed soon. */
export const isDatabaseAway = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false
  const { code, syscall } = error as NodeJS.ErrnoException
  if (syscall === 'connect') return true // of a Unix socket that is not there, it has codes that files have as well
  return code ? connectionCodes.test(code) : connectionTexts.test(error.message)
}

export const databaseAway = (cause?: unknown): AppError =>
  new AppError('database_unavailable', 'The database does not answer right now', {
    hint: 'Nothing was lost. Try again in a moment.',
    retryAfterSeconds: 1,
    cause,
  })

export const databaseReadOnly = (cause?: unknown): AppError =>
  new AppError('database_unavailable', 'The database is read-only right now', {
    hint: 'A failover may be in progress, or DATABASE_URL points at a standby. Nothing was lost. Try again in a moment.',
    retryAfterSeconds: 1,
    cause,
  })

/** The schema has a migration that this program does not know: its statements may do harm. */
export const databaseUpgraded = (migration: string): AppError =>
  new AppError('database_unavailable', `The database was upgraded by a newer Jetty: it has ${migration}`, {
    hint: 'Start this process again with the new version. Accepted runs go on there; nothing was lost.',
    retryAfterSeconds: 5,
  })

/** Converts an outage to the clients' 503; returns any other error unchanged. */
export const explainOutage = (error: unknown): unknown => {
  if (!isDatabaseAway(error)) return error
  return (error as { code?: string }).code === readOnlyCode ? databaseReadOnly(error) : databaseAway(error)
}
