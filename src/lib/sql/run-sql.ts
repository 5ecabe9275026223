import { Socket } from 'node:net'
import pg from 'pg'
import { AppError, messageOf } from '../errors.ts'
import { checkedAddresses, type GuardOptions } from '../net/agent.ts'
import { requireAllowedHost } from '../net/hosts.ts'
import { pause } from '../time.ts'
import { connectSql, readConnectionUrl, type SqlConnection, type SqlTarget } from './connection.ts'
import { type Sending, sendStatement } from './send-statement.ts'
import type { OpenSql, OutgoingSql, RunSql, SqlOutcome } from './statement.ts'

/** An error message of PostgreSQL, as pg throws it. */
interface ServerError {
  code: string
  message: string
  detail?: string
  hint?: string
  position?: string
}

const isServerError = (thrown: unknown): thrown is ServerError =>
  thrown instanceof Error &&
  'severity' in thrown &&
  /^[0-9A-Z]{5}$/.test(String((thrown as { code?: unknown }).code ?? ''))

/** Failures that pass: conflicts with other transactions, no free connection, a server that stops or starts. */
const isPassing = (code: string): boolean => /^(40001|40P01|53\w{3}|57P0[1-5]|08\w{3}|55P03)$/.test(code)

const hints: Record<string, string> = {
  '25006': 'The step is read-only. A statement that writes needs read_only: false.',
  '25001': 'This command cannot be part of a transaction, which every step is. Run it with psql.',
  '42501': 'Grant the role what it needs, or select something else.',
  '28P01': 'Check user name and password in the variable of the connection; special characters are percent-encoded.',
  '28000': 'Check the user name, and what pg_hba.conf of the server allows.',
  '3D000': 'Check the name of the database in the connection.',
  '42P18': 'Give the parameter a type, as in $1::text.',
  '57014': 'Raise query_timeout_sec, or make the statement faster.',
}

/** Line and column, counted from 1, of a place that PostgreSQL counts in characters from 1. */
const placeOf = ({ text, written, origin }: OutgoingSql, position: string | undefined): string => {
  const characters = Number(position)
  if (!(characters > 0)) return ''
  const at = origin([...text].slice(0, characters - 1).join('').length)
  const lines = written.slice(0, at).split('\n')
  return ` at line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}`
}

/** Errors before there is a statement. */
const ofConnection = /^(28\w{3}|3D000|53300|57P03)$/

const refused = (error: ServerError, statement: OutgoingSql): AppError => {
  const place = placeOf(statement, error.position)
  const detail = error.detail ? `. ${error.detail}` : ''
  const hint = hints[error.code] ?? error.hint
  const isTimeout = error.code === '57014'
  const passes = isPassing(error.code)
  return new AppError(
    isTimeout ? 'timed_out' : passes ? 'upstream_failed' : 'activity_failed',
    `PostgreSQL refused the ${ofConnection.test(error.code) ? 'connection' : 'statement'}: ${error.message} (${error.code})${place}${detail}`.slice(
      0,
      2_000,
    ),
    { retryable: passes, ...(hint ? { hint } : {}), cause: error },
  )
}

const certificateCodes = /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/

const broken = (thrown: unknown, server: string): AppError => {
  const code = String((thrown as { code?: unknown } | undefined)?.code ?? '')
  if (certificateCodes.test(code)) {
    return new AppError('network_failed', `The certificate of ${server} is not trusted: ${messageOf(thrown)}`, {
      hint: 'Give the certificate of its authority as ca_certificate. sslmode=require in the URL encrypts without checking.',
      retryable: false,
      cause: thrown,
    })
  }
  if (/does not support SSL|establishing an SSL connection/.test(messageOf(thrown))) {
    return new AppError('network_failed', `${server} does not encrypt connections`, {
      hint: 'Enable TLS there. sslmode=disable in the URL connects without, and the network can read everything.',
      retryable: false,
      cause: thrown,
    })
  }
  return new AppError('network_failed', `The connection to ${server} failed: ${messageOf(thrown)}`, { cause: thrown })
}

/** Converts what pg throws to an error that says what failed, where, and whether a retry can help. */
const asSqlError = (thrown: unknown, statement: OutgoingSql, server: string): AppError => {
  if (thrown instanceof AppError) return thrown
  return isServerError(thrown) ? refused(thrown, statement) : broken(thrown, server)
}

/** The form of values that `sql-values.ts` reads, whatever the database is set to. */
const textFormat = {
  datestyle: 'ISO, YMD',
  intervalstyle: 'iso_8601',
  extra_float_digits: '1',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
}

/** Time that our own database may take to record the start of a step, while the transaction waits. */
const idleMs = 60_000

/** With this a server notices within seconds that its client has died, and ends the statement. Not on Windows. */
const connectionCheck = `
  select pg_catalog.set_config('client_connection_check_interval', '5000', true)
  where pg_catalog.current_setting('server_version_num')::int >= 150000
    and pg_catalog.version() !~* 'visual c|mingw|windows'`

/** Rights with which a function or COPY reaches out of a transaction that only reads. */
const reachesOut = `
  select pg_catalog.current_setting('is_superuser') = 'on' or exists (
    select from pg_catalog.pg_roles
    where rolname in ('pg_execute_server_program', 'pg_write_server_files')
      and pg_catalog.pg_has_role(oid, 'member')
  ) as reaches_out`

const settingsOf = (timeoutSeconds: number): string => {
  const milliseconds = Math.ceil(timeoutSeconds * 1000)
  const settings = {
    ...textFormat,
    statement_timeout: String(milliseconds),
    lock_timeout: String(milliseconds),
    idle_in_transaction_session_timeout: String(idleMs),
  }
  const calls = Object.entries(settings).map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', true)`)
  return `select ${calls.join(', ')}`
}

/**
 * Begins the transaction of a statement. One that only reads has taken a snapshot before the statement arrives: from
 * then on PostgreSQL refuses to make it writable. Throws for a role that such a transaction does not bind.
 */
const beginTransaction = async (
  client: pg.Client,
  { readOnly, timeoutSeconds }: Pick<OutgoingSql, 'readOnly' | 'timeoutSeconds'>,
): Promise<void> => {
  const begin = readOnly ? 'begin read only' : 'begin'
  const text = [begin, settingsOf(timeoutSeconds), connectionCheck, reachesOut].join(';')
  const answers = (await client.query(text)) as unknown as pg.QueryResult<{ reaches_out: boolean }>[]
  if (!readOnly || !answers.at(-1)?.rows[0]?.reaches_out) return
  throw new AppError(
    'activity_failed',
    'The role of the connection is a superuser or may write files of the server, which a read-only transaction does not prevent',
    {
      hint: "Connect as a role that can only read: create role reader login password '…' in role pg_read_all_data; or set read_only to false.",
    },
  )
}

const cancelMs = 2_000

interface CancelConnection {
  connect(port: number, host: string): void
  cancel(processId: number, secretKey: number): void
  end(): void
  stream: Socket
  on(event: string, listener: () => void): void
}

/**
 * Asks the server to cancel the statement of a connection, over a connection of its own, as the protocol wants it.
 * Resolves when it was asked, or could not be.
 */
const cancelAtServer = async ({ client, address, tls }: SqlConnection): Promise<void> => {
  const { processID, secretKey, port } = client as unknown as { processID: number; secretKey: number; port: number }
  if (!processID) return
  const connection = new pg.Connection({ ssl: tls, stream: () => new Socket() } as never) as unknown as CancelConnection
  const asked = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, cancelMs)
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    const cancel = () => {
      connection.cancel(processID, secretKey)
      connection.end()
    }
    connection.on('error', done)
    connection.on('end', done)
    connection.on(tls ? 'sslconnect' : 'connect', cancel)
    if (tls) connection.on('connect', () => (connection as unknown as { requestSsl(): void }).requestSsl())
  })
  connection.connect(port, address)
  await asked
  connection.stream.destroy()
}

/** The time limit of a statement and the signal of its caller, as one promise that only rejects. */
interface SqlClock {
  stopped: Promise<never>
  clear(): void
}

/** The server ends a statement itself at its time limit; this is for a server that does not answer any more. */
const graceSeconds = 5

const makeSqlClock = (seconds: number, signal: AbortSignal | undefined, server: string): SqlClock => {
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

/** Host and port as they are shown and as rules name them. */
const serverOf = ({ host, port }: SqlTarget): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

const connectTo = async (target: SqlTarget, statement: OutgoingSql, options: GuardOptions): Promise<SqlConnection> => {
  requireAllowedHost(new URL(`http://${serverOf(target)}`), statement.allowedHosts)
  const addresses = await checkedAddresses(target.host, target.port, options)
  return connectSql(target, addresses, { ca: statement.caCertificate, maxBytes: statement.maxBytes })
}

const destroy = ({ client }: SqlConnection): void => {
  const { connection } = client as unknown as { connection: { stream: { destroy(): void } } }
  connection.stream.destroy()
}

/** An error without the password, which a server may repeat in a message of its own. */
const withoutPassword = (error: AppError, { password }: SqlTarget): AppError => {
  if (!password || !error.message.includes(password)) return error
  const { hint, retryable } = error
  return new AppError(error.code, error.message.replaceAll(password, '***'), {
    retryable,
    ...(hint === undefined ? {} : { hint }),
  })
}

const unknownOutcome = (cause: AppError, mayRepeat: boolean): AppError =>
  new AppError(
    'upstream_failed',
    `The statement may have been carried out: its commit got no answer. ${cause.message}`,
    {
      hint: 'Look at the data, then rerun from this step. With idempotent: true the statement is repeated by itself.',
      retryable: mayRepeat,
      cause,
    },
  )

const tooManyRows = (maxRows: number): AppError =>
  new AppError('too_large', `The statement returns more than ${maxRows} rows; nothing was changed`, {
    hint: 'Return fewer rows, or raise max_rows.',
  })

const endMs = 1_000

/** Ends a connection: a statement under way is cancelled, a transaction that is open is rolled back. */
const endConnection = async (connection: SqlConnection, isRunning: boolean): Promise<void> => {
  if (isRunning) await cancelAtServer(connection)
  else {
    const ended = new AbortController()
    await Promise.race([connection.client.end().catch(() => {}), pause(endMs, ended.signal)])
    ended.abort()
  }
  destroy(connection)
}

interface Guarding {
  stopped: Promise<never>
  failed(thrown: unknown): AppError
}

/** Rows of a statement that has succeeded are read; what it has written is kept. What `beforeCommit` throws is passed on. */
const commit = async (
  client: pg.Client,
  { outcome, statement }: { outcome: SqlOutcome; statement: OutgoingSql },
  { stopped, failed }: Guarding,
): Promise<void> => {
  if (outcome.hasMore) throw tooManyRows(statement.maxRows)
  await Promise.race([statement.beforeCommit(), stopped])
  try {
    await Promise.race([client.query('commit'), stopped])
  } catch (error) {
    const known = failed(error)
    throw isServerError(error) ? known : unknownOutcome(known, statement.mayRepeat)
  }
}

/** Begins the transaction and sends the statement. Everything fails when the clock stops it. */
const openStatement = async (
  connection: SqlConnection,
  statement: OutgoingSql,
  guarding: Guarding,
): Promise<OpenSql> => {
  const { client } = connection
  const { stopped, failed } = guarding
  let sending: Sending | undefined
  const close = () => endConnection(connection, sending?.isRunning() ?? false)
  try {
    await Promise.race([beginTransaction(client, statement), stopped])
    sending = sendStatement(client, statement)
    stopped.catch(sending.fail)
    const { columns, rows, outcome } = await sending.accepted
    const read = async function* () {
      try {
        yield* rows
      } catch (error) {
        throw failed(error)
      }
    }
    const finish = async () => {
      if (!statement.readOnly) await commit(client, { outcome, statement }, guarding)
      else {
        await Promise.race([client.query('rollback'), stopped]).catch((error) => {
          throw failed(error)
        })
      }
      return outcome
    }
    return { columns, rows: read(), finish, close }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Makes the function for statements at databases outside: public addresses and those allowed by a rule, one statement in
 * one transaction, bounded in time, rows and bytes. Throws `address_refused`, `network_failed`, `timed_out`, `too_large`,
 * `parameter_invalid`, `cancelled`, or what the database says as `activity_failed` or, if it passes, `upstream_failed`.
 */
export const makeSqlRunner =
  (options: GuardOptions): RunSql =>
  async (statement) => {
    const target = readConnectionUrl(statement.url)
    const server = serverOf(target)
    const clock = makeSqlClock(statement.timeoutSeconds, statement.signal, server)
    const { stopped } = clock
    const failed = (thrown: unknown) => withoutPassword(asSqlError(thrown, statement, server), target)
    const connecting = connectTo(target, statement, options)
    try {
      const connection = await Promise.race([connecting, stopped])
      const open = await openStatement(connection, statement, { stopped, failed })
      return { ...open, close: () => open.close().finally(clock.clear) }
    } catch (error) {
      clock.clear()
      connecting.then(destroy, () => {}) // it may still connect
      throw failed(error)
    }
  }
