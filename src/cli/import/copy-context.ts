import type { Caller, Client } from '../../client/client.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { ImportLog } from './import-state.ts'

/** What the parts of an import share. */
export interface CopyContext {
  source: Client
  target: Client
  /** Calls the source where the response itself is needed. */
  fetchSource: Caller
  log: ImportLog
  signal: AbortSignal
  /** Replaces tasks that differ at the target. */
  overwrites: boolean
  copiesFiles: boolean
  /** Shows what is copied now. */
  show(text: string): void
}

/** Errors that concern one thing, so that the import goes on with the next one. */
const oneThing: readonly string[] = [
  ...[
    'address_refused',
    'already_exists',
    'bad_request',
    'conflict',
    'forbidden',
    'invalid',
    'not_found',
    'not_supported',
    'too_large',
  ],
]

/** Whether the source answered in a shape that nobody expects, such as a list where an object belongs. */
const isMisshapen = (error: unknown): boolean => error instanceof TypeError || error instanceof RangeError

/**
 * Does one part of an import. A part that the source or the target refuses, or that has an unknown shape, is noted, and
 * undefined is returned.
 */
export const attempt = async <Result>(
  { log }: CopyContext,
  at: string,
  act: () => Promise<Result>,
): Promise<Result | undefined> => {
  try {
    return await act()
  } catch (error) {
    if (!isMisshapen(error) && !(error instanceof AppError && oneThing.includes(error.code))) throw error
    log.problem(at, messageOf(error))
    return undefined
  }
}

/** Resolves with undefined for what does not exist. */
export const orMissing = async <Result>(found: Promise<Result>): Promise<Result | undefined> => {
  try {
    return await found
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return undefined
    throw error
  }
}
