import { AppError, type ErrorCode, isErrorCode } from '../../lib/errors.ts'
import { type JobState, jobSeal, type StepJob } from '../../store/workers/jobs.ts'

interface Sealer {
  seal(text: string, boundTo: string): string
  open(sealed: string, boundTo: string): string
}

/** A failure of a job, as it is stored. */
interface StoredFailure {
  code: ErrorCode
  message: string
  hint: string | null
  retryable: boolean
  retryAfterSeconds: number | null
}

/** A settled job, before it is stored. */
export type JobResult = { outputs: Record<string, unknown> } | { failure: AppError }

export const stateOf = (result: JobResult): Extract<JobState, 'completed' | 'failed'> =>
  'outputs' in result ? 'completed' : 'failed'

/** Encrypts parameters or a result of a job: they may hold secrets of the run. */
export const sealOfJob = (sealer: Sealer, { runKey, seq }: { runKey: string; seq: number }) => {
  const boundTo = jobSeal(`${runKey}/${seq}`)
  return {
    seal: (value: unknown): string => sealer.seal(JSON.stringify(value), boundTo),
    open: <Value>(sealed: string): Value => JSON.parse(sealer.open(sealed, boundTo)) as Value,
  }
}

export type JobSealer = Sealer

/** What is encrypted of a result. */
export const storedResult = (result: JobResult): unknown => {
  if ('outputs' in result) return result.outputs
  const { code, message, hint = null, retryable, retryAfterSeconds = null } = result.failure
  return { code, message, hint, retryable, retryAfterSeconds } satisfies StoredFailure
}

/** Returns the outputs of a settled job, or throws its failure. */
export const outputsOfJob = (
  { state, sealed_result }: StepJob,
  open: <Value>(sealed: string) => Value,
): Record<string, unknown> => {
  if (sealed_result === null) throw new AppError('cancelled', 'The job of the step was withdrawn')
  if (state === 'completed') return open<Record<string, unknown>>(sealed_result)
  const { code, message, hint, retryable, retryAfterSeconds } = open<StoredFailure>(sealed_result)
  throw new AppError(isErrorCode(code) ? code : 'activity_failed', message, {
    retryable,
    ...(hint !== null && { hint }),
    ...(retryAfterSeconds !== null && { retryAfterSeconds }),
  })
}
