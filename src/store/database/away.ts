import { AppError, messageOf } from '../../lib/errors.ts'

const connectionCodes = /^(08|57P)|^E(CONN|PIPE|HOSTUNREACH|TIMEDOUT|AI_AGAIN)/
const connectionTexts = /terminat|timeout|Connection|closed|not queryable|ended/
const readOnlyCode = '25006'

/**
 * Classes of SQLSTATE by which Postgres blames the statement, or what runs beside it. Any other error is an outage: the
 * connection (08, 28, 3D), resources such as the disk (53), an operator (57), the system (58), and what nobody knows.
 */
const statementClasses = /^(0[0-79A-Z]|1|2[0-7B-F]|3[0-9BF]|4|54|55|72|H|P0)/
const sessionCodes = [readOnlyCode, '25P03', '25P04']

/** SQLSTATE of an error that Postgres sent. */
export const sqlStateOf = (error: unknown): string | undefined =>
  error instanceof Error && 'severity' in error ? (error as { code?: string }).code : undefined

/** Whether an error means that Postgres is unreachable or cannot do its work, so that a retry may succeed later. */
export const isDatabaseAway = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false
  const sqlState = sqlStateOf(error)
  if (sqlState !== undefined) return sessionCodes.includes(sqlState) || !statementClasses.test(sqlState)
  const { code, syscall } = error as NodeJS.ErrnoException
  if (syscall === 'connect') return true // of a Unix socket that is not there, it has codes that files have as well
  return code ? connectionCodes.test(code) : connectionTexts.test(error.message)
}

/**
 * Whether Postgres answered that it could not carry out a statement, which therefore had no effect: its disk is full, a file
 * cannot be read.
 */
export const isServerFault = (error: unknown): error is Error & { code: string } =>
  isDatabaseAway(error) &&
  (error as { severity?: string }).severity === 'ERROR' &&
  !/^(25|57)/.test(sqlStateOf(error) ?? '')

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
/** What Postgres could not do, by SQLSTATE or its class. */
const faults: Record<string, [what: string, remedy: string]> = {
  '53100': ['The disk of the database is full', 'Free space on the disk of PostgreSQL, or enlarge it.'],
  '53200': ['The database is out of memory', 'Give the machine of PostgreSQL more memory, or lower its work_mem.'],
  '53': ['The database lacks a resource', 'Look at the log of PostgreSQL.'],
  '58': ['The database cannot read or write its files', 'Look at the log of PostgreSQL, and at its disk.'],
  XX: ['The database reports an internal error', 'Look at the log of PostgreSQL.'],
}

/** Error for a database that answers, and fails. The message names no file of its machine; the log does. */
export const databaseFailing = (cause: unknown): AppError => {
  const code = sqlStateOf(cause)
  const [what, remedy] = faults[code ?? ''] ??
    faults[code?.slice(0, 2) ?? ''] ?? ['The database fails to write', 'Look at the log of PostgreSQL.']
  return new AppError('database_unavailable', code === undefined ? what : `${what} (SQLSTATE ${code})`, {
    hint: `Nothing was lost. ${remedy} Try again then.`,
    retryAfterSeconds: 5,
    cause,
  })
}

/** Converts an outage to the clients' 503; returns any other error unchanged. */
export const explainOutage = (error: unknown): unknown => {
  if (!isDatabaseAway(error)) return error
  if (sqlStateOf(error) === readOnlyCode) return databaseReadOnly(error)
  return isServerFault(error) ? databaseFailing(error) : databaseAway(error)
}

const explanations: readonly [cause: RegExp, hint: string][] = [
  [
    /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET_ISSUER)|self-signed certificate|unable to verify the first certificate/,
    'The certificate of PostgreSQL is signed by a CA that this machine does not know. Name the file of that CA: ' +
      'DATABASE_URL=…?sslmode=verify-full&sslrootcert=/etc/jetty/ca.pem, or NODE_EXTRA_CA_CERTS=/etc/jetty/ca.pem.',
  ],
  [
    /ALTNAME_INVALID|does not match certificate/,
    'The certificate of PostgreSQL is for another host name: use that name in DATABASE_URL.',
  ],
  [/CERT_HAS_EXPIRED|certificate has expired/, 'Renew the certificate of PostgreSQL.'],
  [
    /does not support SSL/,
    'PostgreSQL has TLS disabled: set ssl = on there, or omit sslmode in DATABASE_URL on a trusted network.',
  ],
  [
    /no encryption|no pg_hba\.conf entry/,
    'PostgreSQL requires TLS, or refuses this address: see pg_hba.conf. For TLS add ?sslmode=verify-full to DATABASE_URL.',
  ],
  [
    /unsupported startup parameter/,
    'PgBouncer refuses a parameter in DATABASE_URL: remove it, or list it in ignore_startup_parameters of pgbouncer.ini.',
  ],
  [
    /\b53300\b|too many clients|remaining connection slots/,
    'PostgreSQL has no free connection: lower JETTY_DATABASE_CONNECTIONS of each process, or raise max_connections of PostgreSQL.',
  ],
  [/\b53100\b|No space left/, 'The disk of PostgreSQL is full: free space on it, or enlarge it. Then start again.'],
  [
    /\b42501\b|permission denied/,
    'The role in DATABASE_URL needs CONNECT and CREATE on the database, and CREATE on its schema public: ' +
      'make it the owner of the database (alter database … owner to …).',
  ],
]

const usual = 'Check the address, user name and password in DATABASE_URL, or unset it to use the embedded PostgreSQL.'

/** Explains why DATABASE_URL does not work and what to do; returns any other error unchanged. */
export const explainDatabase = (thrown: unknown): unknown => {
  const error = explainOutage(thrown)
  const isOurs = error instanceof AppError
  const cause = isOurs ? error.cause : error
  const isAway = isOurs && error.code === 'database_unavailable'
  if (!isAway && !(cause instanceof Error && ('severity' in cause || isTls(cause)))) return error
  if (isAway && cause === undefined) return error
  const code = (cause as { code?: string }).code
  const reason = [messageOf(cause), code].filter(Boolean).join(', ')
  const hint = explanations.find(([pattern]) => pattern.test(reason))?.[1]
  if (isOurs && !isAway && !hint) return error
  return new AppError('database_unavailable', `The database cannot be used: ${reason}`, { hint: hint ?? usual, cause })
}

const isTls = ({ message }: Error): boolean => /SSL|certificate/i.test(message)
