import { type ErrorCode, errorCodes, isErrorCode } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { type Economy, economies } from '../../model/workflows/economy.ts'
import { type Effects, effects } from '../../model/workflows/effects.ts'
import { question } from './finding.ts'
import type { Notes } from './source.ts'

/** Retry policy of a step. */
export interface Retry {
  /** Maximum attempts, the first included. */
  maxAttempts: number
  initialSeconds: number
  /** Factor by which the pause grows with each attempt. */
  factor: number
  maxSeconds: number
  /** Error codes to retry; undefined: the retryable ones. */
  on: 'all' | ReadonlySet<ErrorCode> | undefined
}

/** The `options` of a step config: how the engine executes it, whatever its activity. */
export interface StepOptions {
  retry: Retry | undefined
  /** Timeout of one attempt; seconds. */
  timeoutSeconds: number | undefined
  /** A failure ends the step, not the run. */
  continueOnError: boolean
  /** A completed result with equal inputs may be reused instead of executing the step. */
  cache: boolean
  /** Whether its chats go through the batch interface of their provider; undefined: as its run says. */
  economy: Economy | undefined
  /** Seconds after which a call that no batch has answered is sent at once. */
  maxWaitSeconds: number | undefined
  /** What the step does outside of the run; undefined: as its activity declares. */
  effects: Effects | undefined
}

const plainOptions: StepOptions = {
  retry: undefined,
  timeoutSeconds: undefined,
  continueOnError: false,
  cache: false,
  economy: undefined,
  maxWaitSeconds: undefined,
  effects: undefined,
}

const keys = ['retry', 'timeout_sec', 'continue_on_error', 'cache', 'economy', 'max_wait_sec', 'effects']
const retryKeys = ['max_attempts', 'backoff', 'retry_on']
const backoffKeys = ['initial_sec', 'factor', 'max_sec']

const defaultBackoff = { initialSeconds: 0.5, factor: 4, maxSeconds: 60 }
const longestPauseSeconds = 3_600
const longestTimeoutSeconds = 7 * 24 * 3_600
const largestFactor = 100

/** Compiles the options of a step. Reports invalid values; unknown keys are faults that stop no run. */
export const compileOptions = (written: unknown, limits: { stepAttempts: number }, notes: Notes): StepOptions => {
  const { report } = notes
  if (written === undefined || written === null) return plainOptions
  if (!isObject(written)) {
    report(`options must be an object with some of ${keys.join(', ')}`, { key: 'options' })
    return plainOptions
  }
  const read = reader('options', written, report)
  reportUnknown('options', written, keys, notes)
  return {
    retry: retryOf(written.retry, limits, notes),
    timeoutSeconds: read.number('timeout_sec', 0.001, longestTimeoutSeconds),
    continueOnError: read.flag('continue_on_error'),
    cache: read.flag('cache'),
    economy: read.word('economy', economies),
    maxWaitSeconds: read.number('max_wait_sec', 1, longestTimeoutSeconds),
    effects: read.word('effects', effects),
  }
}

const retryOf = (written: unknown, { stepAttempts }: { stepAttempts: number }, notes: Notes): Retry | undefined => {
  const { report } = notes
  if (written === undefined || written === null) return undefined
  if (!isObject(written)) {
    report(`options.retry must be an object with some of ${retryKeys.join(', ')}`, { key: ['options', 'retry'] })
    return undefined
  }
  reportUnknown('options.retry', written, retryKeys, notes)
  const read = reader('options.retry', written, report)
  return {
    maxAttempts: read.whole('max_attempts', 1, stepAttempts) ?? Math.min(3, stepAttempts),
    ...backoffOf(written.backoff, notes),
    on: retriedOn(written.retry_on, notes),
  }
}

const backoffOf = (written: unknown, notes: Notes) => {
  const { report } = notes
  if (written === undefined || written === null) return defaultBackoff
  if (typeof written === 'number') {
    const seconds = reader('options.retry', { backoff: written }, report).number('backoff', 0, longestPauseSeconds) ?? 0
    return { initialSeconds: seconds, factor: 1, maxSeconds: seconds }
  }
  if (!isObject(written)) {
    report(`options.retry.backoff must be a number of seconds, or an object with some of ${backoffKeys.join(', ')}`, {
      key: ['options', 'retry', 'backoff'],
    })
    return defaultBackoff
  }
  reportUnknown('options.retry.backoff', written, backoffKeys, notes)
  const read = reader('options.retry.backoff', written, report)
  return {
    initialSeconds: read.number('initial_sec', 0, longestPauseSeconds) ?? defaultBackoff.initialSeconds,
    factor: read.number('factor', 1, largestFactor) ?? defaultBackoff.factor,
    maxSeconds: read.number('max_sec', 0, longestPauseSeconds) ?? defaultBackoff.maxSeconds,
  }
}

const retriedOn = (written: unknown, { report, guess: guessOf }: Notes): Retry['on'] => {
  if (written === undefined || written === null) return undefined
  if (written === 'all') return 'all'
  if (!Array.isArray(written)) {
    report('options.retry.retry_on must be "all" or a list of error codes', { key: ['options', 'retry', 'retry_on'] })
    return undefined
  }
  for (const code of written) {
    if (isErrorCode(code)) continue
    const guess = typeof code === 'string' ? guessOf(code, Object.keys(errorCodes)) : undefined
    const meant = guess === undefined ? '' : `; did you mean '${guess}'?`
    report(`options.retry.retry_on names ${JSON.stringify(code)}, which is no error code${meant}`, {
      key: ['options', 'retry', 'retry_on'],
      meant: guess,
    })
  }
  return new Set(written.filter(isErrorCode))
}

/** Maximum unknown keys that are named. */
const mostUnknown = 20

const reportUnknown = (where: string, written: object, known: string[], { warnings, guess: guessOf }: Notes): void => {
  const unknown = Object.keys(written).filter((key) => !known.includes(key))
  for (const key of unknown.slice(0, mostUnknown)) {
    const meant = guessOf(key, known)
    warnings.push({
      message: `unknown key '${key}' in ${where}${question(meant)}`,
      key: [...where.split('.'), key],
      meant,
      isFault: true,
    })
  }
}

/** Makes a typed reader of an object's members; null counts as absent. */
const reader = (where: string, from: Record<string, unknown>, report: Notes['report']) => {
  const take = <T>(key: string, expected: string, isRight: (value: unknown) => value is T): T | undefined => {
    const value = from[key] ?? undefined
    if (value === undefined || isRight(value)) return value
    report(`${where}.${key} must be ${expected}`, { key: [...where.split('.'), key] })
    return undefined
  }
  const isWithin =
    (low: number, high: number) =>
    (value: unknown): value is number =>
      typeof value === 'number' && value >= low && value <= high
  return {
    number: (key: string, low: number, high: number) =>
      take(key, `a number from ${low} to ${high}`, isWithin(low, high)),
    whole: (key: string, low: number, high: number) =>
      take(
        key,
        `a whole number from ${low} to ${high}`,
        (value): value is number => isWithin(low, high)(value) && Number.isInteger(value),
      ),
    word: <const Word extends string>(key: string, words: readonly Word[]) =>
      take(key, words.map((word) => `'${word}'`).join(' or '), (value): value is Word => words.includes(value as Word)),
    flag: (key: string) => take(key, 'true or false', (value): value is boolean => typeof value === 'boolean') ?? false,
  }
}
