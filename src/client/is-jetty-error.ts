import { AppError, type ErrorCode } from '../lib/errors.ts'

/**
 * Whether something thrown is an error of the server or the connection, and has one of these codes where any are given.
 *
 * @example
 * try {
 *   await jetty.getTask({ params: { collection: 'demo', task: 'none' } })
 * } catch (error) {
 *   if (!isJettyError(error, 'not_found')) throw error
 * }
 */
export const isJettyError = <Code extends ErrorCode>(
  error: unknown,
  ...codes: Code[]
): error is AppError & { code: Code } =>
  error instanceof AppError && (codes.length === 0 || (codes as ErrorCode[]).includes(error.code))
