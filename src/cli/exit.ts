import pc from 'picocolors'
import { AppError, type ErrorCode, errorCodes } from '../lib/errors.ts'
import { fileReason } from './input/file-problems.ts'
import { safe } from './show/output.ts'

/** What a command ends with; scripts rely on them. */
export const exitCodes = {
  ok: 0,
  /** The run that was waited for did not complete, a check of `doctor` failed, or the server did not start. */
  failed: 1,
  /** The command was not right: an unknown option or name, a value or a token the server refuses. */
  wrongUse: 2,
  /** Nobody answered, or the server failed. */
  serverFailed: 3,
  interrupted: 130,
} as const

const commanderCode = (error: unknown): number | undefined =>
  error instanceof Error && 'exitCode' in error && 'code' in error && String(error.code).startsWith('commander.')
    ? error.exitCode === 0
      ? exitCodes.ok
      : exitCodes.wrongUse
    : undefined

/** Remedies that speak of a request: whoever typed a command did not write it. */
const aboutRequests: readonly ErrorCode[] = ['bad_request', 'invalid', 'not_found']

const hintOf = ({ code, message, hint }: AppError): string | undefined => {
  if (code === 'unauthenticated') return 'Run `jetty login` with a token that is valid on this server.'
  if (message === 'Admin access required') {
    return 'Name the file with the admin token: --token-file ~/.jetty/admin-token (where the data folder of the server is).'
  }
  return hint === errorCodes[code].remedy && aboutRequests.includes(code) ? undefined : hint
}

/** A file that the system refuses, where nobody has said it better. */
const fileProblem = (error: unknown): unknown => {
  const { syscall, path } = (error ?? {}) as NodeJS.ErrnoException
  return syscall !== undefined && path !== undefined
    ? new AppError('invalid', `${path} cannot be used: ${fileReason(error)}`, { cause: error })
    : error
}

/** The one place where a command ends with an error: a sentence, what to do, and an exit code. */
export const reportError = (thrown: unknown): number => {
  const error = thrown instanceof AppError ? thrown : fileProblem(thrown)
  const commander = commanderCode(error) // it has said what it had to say
  if (commander !== undefined) return commander
  if (error instanceof Error && error.name === 'AbortError') return exitCodes.interrupted
  if (!(error instanceof AppError)) {
    process.stderr.write(`jetty: ${error instanceof Error ? error.stack : String(error)}\n`)
    return exitCodes.serverFailed
  }
  process.stderr.write(`${pc.red('jetty:')} ${safe(error.message)}\n`)
  const hint = hintOf(error)
  if (hint) process.stderr.write(`  ${safe(hint)}\n`)
  return error.status < 500 ? exitCodes.wrongUse : exitCodes.serverFailed
}
