import type pg from 'pg'
import { AppError } from '../errors.ts'
import { checkedAddresses, type GuardOptions } from '../net/agent.ts'
import { requireAllowedHost } from '../net/hosts.ts'
import { pause } from '../time.ts'
import { cancelAtServer } from './cancel-sql.ts'
import { connectSql, type SqlConnection } from './connect-sql.ts'
import { readConnectionUrl, type SqlTarget } from './connection-url.ts'
import type { OpenSql, OutgoingSql, RunSql, SqlOutcome } from './outgoing-sql.ts'
import { type Sending, sendStatement } from './send-statement.ts'
import { makeSqlClock } from './sql-clock.ts'
import { asSqlError, isServerError } from './sql-errors.ts'
import { beginTransaction } from './sql-transaction.ts'

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
