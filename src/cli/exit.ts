import pc from 'picocolors'
import { AppError, type ErrorCode, errorCodes, messageOf } from '../lib/errors.ts'
import { fileReason } from './input/file-problems.ts'
import { cliWords } from './show/cli-words.ts'
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

/** A file that the system refuses, where nobody has said it better. */
const fileProblem = (error: unknown): unknown => {
  const { syscall, path } = (error ?? {}) as NodeJS.ErrnoException
  return syscall !== undefined && path !== undefined
    ? new AppError('invalid', `${path} cannot be used: ${fileReason(error)}`, { cause: error })
    : error
}

/** An interruption that has something to say: what goes on without the command, and how to come back to it. */
export const interruption = (message: string, hint: string): Error =>
  Object.assign(new Error(message, { cause: { hint } }), { name: 'AbortError' })

/** An error as programs read it. */
interface ErrorData {
  /** A code of docs/reference/errors.md, `usage` for a command line that is wrong, or `interrupted`. */
  code: string
  message: string
  hint?: string | undefined
  /** The status of the answer, where there was one. */
  status?: number
  issues?: unknown
}

const dataOf = (thrown: unknown, error: unknown): ErrorData => {
  if (commanderCode(thrown) !== undefined) {
    return { code: 'usage', message: messageOf(thrown).replace(/^error: /, ''), hint: 'See --help for how it is used.' }
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
 * The one place where a command ends with an error: a sentence, what to do, and an exit code. With `isJson` it is one
 * line of JSON on stderr.
 */
export const reportError = (thrown: unknown, isJson = false): number => {
  const error = thrown instanceof AppError ? thrown : fileProblem(thrown)
  const code = codeFor(thrown, error)
  if (code === exitCodes.ok) return code // --help and --version
  if (isJson) process.stderr.write(`${JSON.stringify({ error: dataOf(thrown, error) })}\n`)
  else if (commanderCode(thrown) === undefined) tell(error) // commander has said what it had to say
  return code
}
