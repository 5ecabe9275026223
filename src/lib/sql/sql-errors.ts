import { AppError, messageOf } from '../errors.ts'
import type { OutgoingSql } from './outgoing-sql.ts'

/** An error message of PostgreSQL, as pg throws it. */
interface ServerError {
  code: string
  message: string
  detail?: string
  hint?: string
  position?: string
}

export const isServerError = (thrown: unknown): thrown is ServerError =>
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
export const asSqlError = (thrown: unknown, statement: OutgoingSql, server: string): AppError => {
  if (thrown instanceof AppError) return thrown
  return isServerError(thrown) ? refused(thrown, statement) : broken(thrown, server)
}
