import type { Database } from './database/database.ts'
import type { Logger } from './lib/log.ts'
import { pause } from './lib/time.ts'
import { type CacheLimits, sweepAnswerCache } from './store/answer-cache.ts'
import { sweepCallWindows } from './store/call-windows.ts'
import { finishDeletions } from './store/deletion.ts'
import { removeUnusedEnvironments } from './store/environments.ts'
import { sweepIdempotencyKeys } from './store/idempotency.ts'
import type { ObjectStore } from './store/objects/objects.ts'
import { sweepRequestPayloads } from './store/payloads.ts'
import { removeOldRuns } from './store/retention.ts'
import { type ResultLimits, sweepStepResults } from './store/step-results.ts'
import { sweepTrialRuns } from './store/trials.ts'

const housekeepingMs = 60_000

/** A chore that looks at more than can be looked at every minute. */
const hourly = (chore: () => Promise<void>): (() => Promise<void>) => {
  let nextMs = 0
  return async () => {
    if (performance.now() < nextMs) return
    nextMs = performance.now() + 3_600_000
    await chore()
  }
}

/**
 * Does what has to be tidied at times: deletions that were cut off, half-written uploads, environments nobody uses. Gives
 * the function that ends it.
 */
export const keepHouse = (
  database: Database,
  objects: ObjectStore,
  cancelRunsOf: (collectionId: number) => Promise<number>,
  kept: { answers: CacheLimits; stepResults: ResultLimits },
  reapSandboxes: () => Promise<void>,
  log: Logger,
): (() => Promise<void>) => {
  const stop = new AbortController()
  // Each for itself: a folder that cannot be written must not keep the tables growing.
  const chores = [
    () => finishDeletions(database, { cancelRunsOf, objects }, stop.signal),
    () => objects.sweepTemporary(),
    () => removeUnusedEnvironments(database),
    () => sweepCallWindows(database),
    () => sweepIdempotencyKeys(database),
    () => sweepTrialRuns(database),
    hourly(() => sweepRequestPayloads(database)),
    () => removeOldRuns(database, { objects }, stop.signal),
    () => sweepAnswerCache(database, kept.answers),
    hourly(() => sweepStepResults(database, kept.stepResults)),
    hourly(reapSandboxes), // of a process that shares the data folder, died, and was never started again
  ]
  const running = (async () => {
    while (await pause(housekeepingMs, stop.signal)) {
      for (const chore of chores) await chore().catch((error) => log.debug({ err: error }, 'housekeeping put off'))
    }
  })()
  return async () => {
    stop.abort()
    await running
  }
}
