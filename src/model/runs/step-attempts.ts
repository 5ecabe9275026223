import { z } from 'zod'
import { timestampSchema } from '../names.ts'
import { type ErrorRecord, errorRecordSchema } from './error-record.ts'

/** One attempt of a step. */
export const stepAttemptSchema = z
  .object({
    n: z.int(),
    started: timestampSchema,
    ended: timestampSchema.nullable().describe('null: it still runs, or its process ended before it did.'),
    error_detail: errorRecordSchema
      .nullable()
      .describe('Why it failed; null if it did not, still runs, or was interrupted by the end of its process.'),
  })
  .meta({ id: 'StepAttempt' })
export type StepAttempt = z.infer<typeof stepAttemptSchema>

/** Types of the log messages that record an attempt which another one followed. */
export const attemptMessages = { retried: 'step_retried', interrupted: 'step_interrupted' } as const

/** Attributes of these messages. */
export interface AttemptAttributes {
  /** Number of the attempt that ended. */
  attempt: number
  started: string
  ended: string | null
  error_detail: ErrorRecord | null
  /** When the next attempt is due; null: at once. */
  next_at: string | null
  /** When the next attempt began; null while it is waited for. */
  next_started: string | null
}

interface Message {
  type: string
  attributes: unknown
}

/** The attempts that are recorded among the messages of a step. */
export const attemptsAmong = (messages: readonly Message[]): AttemptAttributes[] =>
  messages
    .filter(({ type }) => type === attemptMessages.retried || type === attemptMessages.interrupted)
    .map(({ attributes }) => attributes as AttemptAttributes)
