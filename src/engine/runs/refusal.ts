import { AppError } from '../../lib/errors.ts'
import type { Scrubber } from '../../lib/secrets/scrub.ts'
import type { Unservable } from '../engine.ts'
import { errorRecord } from '../steps/step-record.ts'

/** Whether an error is about the run. An error of the server itself is not: the request fails with it. */
const isAboutTheRun = (error: unknown): error is AppError =>
  error instanceof AppError && !error.retryable && error.code !== 'internal'

/** Runs the checks of a run. Returns what they found if it is to be recorded, and throws it otherwise. */
export const refusalOf = async (
  unservable: Unservable | undefined,
  check: () => Promise<void>,
): Promise<AppError | undefined> => {
  try {
    await check()
    return undefined
  } catch (error) {
    if (unservable === 'record' && isAboutTheRun(error)) return error
    throw error
  }
}

/** Makes the JSON text of a refusal for the row of its run, without secrets. */
export const refusalRecord = (refusal: AppError, scrub: Scrubber): string => errorRecord(refusal, scrub.text)

/** Returns the message of a recorded refusal. */
export const refusalSentence = (record: string): string => (JSON.parse(record) as { message: string }).message
