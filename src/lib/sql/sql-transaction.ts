import type pg from 'pg'
import { AppError } from '../errors.ts'
import type { OutgoingSql } from './outgoing-sql.ts'

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
export const beginTransaction = async (
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
