import { AppError } from '../lib/errors.ts'

const connectionCodes = /^(08|25006|25P03|57P|53[023])|^E(CONN|PIPE|HOSTUNREACH|TIMEDOUT|AI_AGAIN)/
const connectionTexts = /terminat|timeout|Connection|closed|not queryable|ended/
const readOnlyCode = '25006'

/** Whether an error means "Postgres is away, or takes no writes", so that the same statement may work in a moment. */
export const isDatabaseAway = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false
  const code = (error as { code?: string }).code
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
    hint: 'A failover may be under way, or DATABASE_URL leads to a standby. Nothing was lost. Try again in a moment.',
    retryAfterSeconds: 1,
    cause,
  })

/** An outage as the 503 that clients get; any other error as it is. */
export const asAppError = (error: unknown): unknown => {
  if (!isDatabaseAway(error)) return error
  return (error as { code?: string }).code === readOnlyCode ? databaseReadOnly(error) : databaseAway(error)
}
