import { errorCodes } from '../../src/lib/errors.ts'
import type { ErrorRecord } from '../../src/model/runs/error-record.ts'

const isCode = (code: string): code is keyof typeof errorCodes => Object.hasOwn(errorCodes, code)

/** What to do about an error: what it says itself, or else what its code means. */
export const remedyOf = ({ code, hint }: Pick<ErrorRecord, 'code' | 'hint'>): string | undefined =>
  hint ?? (isCode(code) ? errorCodes[code].remedy : undefined)

/** Whether it helps to wait and try again. */
export const outlookOf = ({ retryable }: Pick<ErrorRecord, 'retryable'>): string =>
  retryable ? 'may pass when it is tried again' : 'will not pass by itself'
