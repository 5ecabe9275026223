import { AppError, type FieldIssue } from '../../lib/errors.ts'
import { mask, maxVariableBytes } from '../../model/collections/environment.ts'
import { maxVariableNameLength, variableNamePattern } from '../../model/collections/variable-name.ts'
import type { EnvironmentVariables } from '../../store/collections/environments.ts'

/** Reserved names: answers nest all variables in `environment_variables`. */
const reserved = new Set(['environment_variables'])

const nameProblem = (name: string): string | undefined => {
  if (name.length > maxVariableNameLength) return `The name is longer than ${maxVariableNameLength} characters`
  if (!variableNamePattern.test(name))
    return 'A name consists of letters, digits and underscores, and does not start with a digit'
  return reserved.has(name) ? 'This name is reserved; choose another one' : undefined
}

const valueProblem = (value: unknown, exists: boolean): string | undefined => {
  if (typeof value === 'object' && value !== null)
    return 'A value must be a text, a number, true, false, or null to delete the variable'
  if (typeof value === 'string' && value.includes('\0'))
    return 'NUL is not allowed: an environment variable cannot contain it'
  if (value === mask && !exists)
    return `'${mask}' keeps the value of an existing variable, but this variable does not exist`
  const tooLong = typeof value === 'string' && Buffer.byteLength(value) > maxVariableBytes
  return tooLong ? 'The value is larger than 64 KiB' : undefined
}

/** Applies a PATCH to the variables; throws a 422 that lists every refused name. */
export const changedVariables = (
  current: EnvironmentVariables,
  given: Record<string, unknown>,
): EnvironmentVariables => {
  const next: EnvironmentVariables = new Map(current)
  const issues: FieldIssue[] = []
  for (const [name, value] of Object.entries(given)) {
    if (value === null) {
      next.delete(name)
      continue
    }
    const msg = nameProblem(name) ?? valueProblem(value, current.has(name))
    if (msg) issues.push({ loc: ['body', 'environment_variables', name.slice(0, 200)], msg, type: 'value_error' })
    else if (value !== mask) next.set(name, typeof value === 'string' ? value : JSON.stringify(value))
  }
  if (issues.length > 0) throw new AppError('invalid', 'Environment variables are not valid', { issues })
  return next
}
