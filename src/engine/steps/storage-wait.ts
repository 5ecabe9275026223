import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../../lib/backoff.ts'
import { AppError } from '../../lib/errors.ts'
import type { HeldSlot } from './held-slot.ts'
import type { StepAtWork } from './step-at-work.ts'
import type { StepClock } from './step-clock.ts'
import { warningEvent } from './step-side.ts'

const storageBackoff = { firstMs: 1_000, longestMs: 60_000 }

/** It does not answer, or all memory for uploads is in use. */
const isAway = (error: unknown): error is AppError =>
  error instanceof AppError && (error.code === 'storage_unavailable' || error.code === 'busy')

/** Repeats a use of the storage until the storage answers, and returns its result. */
export type StorageWait = <Result>(use: () => Promise<Result>) => Promise<Result>

/**
 * Makes the wait of a step for a storage that is away. What the activity has made stays in memory, so a paid model call is
 * not repeated. The wait holds no slot, takes no time from the limits of the step and the run, and is recorded in the
 * step's log when it begins and ends. Rejects when the signal fires.
 */
export const makeStorageWait = (
  work: StepAtWork,
  held: HeldSlot,
  signal: () => AbortSignal,
  clock?: StepClock,
): StorageWait => {
  const { engine, lease, side, startRow } = work
  let failures = 0
  let sinceMs: number | undefined
  let resting: Promise<void> | undefined

  const note = (text: string, attributes: Record<string, unknown>): void => {
    side.warnings.push(warningEvent(text, attributes))
    startRow.cancel()
    void startRow.write().catch(() => {}) // another process has the run: noticed elsewhere
  }
  const rest = async (error: AppError): Promise<void> => {
    if (sinceMs === undefined) {
      sinceMs = performance.now()
      note(`The step waits for the storage of files: ${error.message}`, { code: error.code })
    }
    held.give()
    failures++
    await delay(backoffMs(failures, storageBackoff), undefined, { signal: signal() })
    await held.take()
    await engine.confirmLease(lease)
  }
  const answered = (): void => {
    if (sinceMs === undefined) return
    const seconds = Math.round((performance.now() - sinceMs) / 1000)
    sinceMs = undefined
    failures = 0
    note(`The storage of files answers again, after ${seconds} s`, { waited_seconds: seconds })
  }

  const untilAnswered: StorageWait = async (use) => {
    for (;;) {
      try {
        const result = await use()
        answered()
        return result
      } catch (error) {
        if (!isAway(error)) throw error
        // Several files of a step may wait at once: they share one rest.
        resting ??= rest(error).finally(() => {
          resting = undefined
        })
        await resting
      }
    }
  }
  if (!engine.objects.isRemote) return untilAnswered

  let uses = 0
  return async (use) => {
    // Each request to a remote storage is tried several times before it counts as away: that is no time of the step.
    if (uses++ === 0) clock?.rest()
    try {
      return await untilAnswered(use)
    } finally {
      if (--uses === 0) clock?.goOn()
    }
  }
}
