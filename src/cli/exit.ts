import pc from 'picocolors'
import { AppError, type ErrorCode, errorCodes, messageOf } from '../lib/errors.ts'
import { fileReason } from './input/file-problems.ts'
import { cliWords } from './show/cli-words.ts'
import { safe } from './show/output.ts'

/** Exit codes of all commands; scripts rely on them. */
export const exitCodes = {
  ok: 0,
  /** The awaited run did not complete, a check of `doctor` failed, or the server did not start. */
  failed: 1,
  /** Wrong use: an unknown option or name, or a value or token that the server refuses. */
  wrongUse: 2,
  /** No server answered, or the server failed. */
  serverFailed: 3,
  interrupted: 130,
} as const

const commanderCode = (error: unknown): number | undefined =>
  error instanceof Error && 'exitCode' in error && 'code' in error && String(error.code).startsWith('commander.')
    ? error.exitCode === 0
      ? exitCodes.ok
      : exitCodes.wrongUse
    : undefined

/** Codes whose generic remedy speaks of requests, which a user of the command line did not write. */
const aboutRequests: readonly ErrorCode[] = ['bad_request', 'invalid', 'not_found']

const hintOf = ({ code, message, hint }: AppError): string | undefined => {
  if (message === 'Admin access required') {
    return 'Name the file with the admin token: --token-file ~/.jetty/admin-token (where the data folder of the server is).'
  }
  if (
    hint === undefined ||
    message.includes(hint) ||
    (hint === errorCodes[code].remedy && aboutRequests.includes(code))
  )
    return undefined
  return cliWords(hint) || undefined
}

/** Explains an error of the file system that nothing has explained yet. */
const fileProblem = (error: unknown): unknown => {
  const { syscall, path } = (error ?? {}) as NodeJS.ErrnoException
  return syscall !== undefined && path !== undefined
    ? new AppError('invalid', `${path} cannot be used: ${fileReason(error)}`, { cause: error })
    : error
}

/** An interruption with a message: what continues without the command, and how to return to it. */
export const interruption = (message: string, hint: string): Error =>
  Object.assign(new Error(message, { cause: { hint } }), { name: 'AbortError' })

/** An error in JSON, for programs. */
interface ErrorData {
  /** A code of docs/reference/errors.md, `usage` for a wrong command line, or `interrupted`. */
  code: string
  message: string
  hint?: string | undefined
  /** HTTP status of the answer, if there was one. */
  status?: number
  issues?: unknown
}

const dataOf = (thrown: unknown, error: unknown): ErrorData => {
  if (commanderCode(thrown) !== undefined) {
    return { code: 'usage', message: messageOf(thrown).replace(/^error: /, ''), hint: 'See the usage with --help.' }
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return { code: 'interrupted', message: error.message, hint: (error.cause as { hint?: string } | undefined)?.hint }
  }
  if (!(error instanceof AppError)) return { code: 'internal', message: messageOf(error) }
  const { code, message, status, issues } = error
  const words = { message: cliWords(message), hint: hintOf(error) }
  return { code, ...words, status, ...(issues === undefined ? {} : { issues }) }
}

const codeFor = (thrown: unknown, error: unknown): number => {
  const commander = commanderCode(thrown)
  if (commander !== undefined) return commander
  if (error instanceof Error && error.name === 'AbortError') return exitCodes.interrupted
  return error instanceof AppError && error.status < 500 ? exitCodes.wrongUse : exitCodes.serverFailed
}

const tell = (error: unknown): void => {
  if (error instanceof Error && error.name === 'AbortError') {
    const { hint } = (error.cause ?? {}) as { hint?: string }
    if (hint) process.stderr.write(`${safe(error.message)}\n  ${safe(hint).replaceAll('\n', '\n  ')}\n`)
  } else if (error instanceof AppError) {
    process.stderr.write(`${pc.red('jetty:')} ${safe(cliWords(error.message))}\n`)
    const hint = hintOf(error)
    if (hint) process.stderr.write(`  ${safe(hint)}\n`)
  } else process.stderr.write(`jetty: ${error instanceof Error ? error.stack : String(error)}\n`)
}

/**
 * Reports the error that ended a command, with its hint, and returns the exit code. No other code does. With `isJson`
 * it prints one line of JSON on stderr.
 */
export const reportError = (thrown: unknown, isJson = false): number => {
  const error = thrown instanceof AppError ? thrown : fileProblem(thrown)
  const code = codeFor(thrown, error)
  if (code === exitCodes.ok) return code // --help and --version
  if (isJson) process.stderr.write(`${JSON.stringify({ error: dataOf(thrown, error) })}\n`)
  else if (commanderCode(thrown) === undefined) tell(error) // commander has printed its errors itself
  return code
}
