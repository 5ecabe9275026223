import { randomInt } from 'node:crypto'
import type { Database } from './database/database.ts'
import type { Logger } from './lib/log.ts'
import { pause } from './lib/time.ts'
import { type CacheLimits, sweepAnswerCache } from './store/calls/answer-cache.ts'
import { sweepCallWindows } from './store/calls/call-windows.ts'
import { sweepAudit } from './store/collections/audit.ts'
import { finishDeletions } from './store/collections/deletion.ts'
import { removeUnusedEnvironments } from './store/collections/environments.ts'
import { removeOldRuns } from './store/collections/retention.ts'
import { sweepTrialRuns } from './store/collections/trials.ts'
import { namedObjects } from './store/files/files.ts'
import { sweepIdempotencyKeys } from './store/idempotency.ts'
import type { ObjectStore } from './store/objects/objects.ts'
import { partsOfStore } from './store/objects/unnamed.ts'
import { sweepRequestPayloads } from './store/runs/payloads.ts'
import { type ResultLimits, sweepStepResults } from './store/runs/step-results.ts'
import { makeDefinitionSweep } from './store/tasks/definitions.ts'

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

export interface HouseLimits {
  answers: CacheLimits
  stepResults: ResultLimits
  /** 0: for ever, both. */
  auditDays: number
  orphanDays: number
}

/** Looks at the next part of the object store for bytes that no row names; all of it takes some four hours. */
const makeUnnamedSweep = (database: Database, objects: ObjectStore, days: number, log: Logger) => {
  let part = randomInt(partsOfStore) // processes that are often started anew come to all parts too
  let isTold = false
  return async () => {
    if (days === 0) return
    part = (part + 1) % partsOfStore
    const swept = await objects.sweepUnnamed({ part, days, named: (ids) => namedObjects(database, ids) })
    if (swept && Object.values(swept).some((count) => count > 0)) log.info(swept, 'objects that no file names')
    if (swept || isTold) return
    isTold = true
    log.warn('the data folder has had more than one database: what no file of this one names is left there')
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
  kept: HouseLimits,
  reapSandboxes: () => Promise<void>,
  log: Logger,
): (() => Promise<void>) => {
  const stop = new AbortController()
  const counted = (sweep: () => Promise<number>, what: string) => async () => {
    const count = await sweep()
    if (count > 0) log.info({ count }, what)
  }
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
    hourly(counted(() => sweepAudit(database, kept.auditDays), 'old entries of the audit trail were removed')),
    counted(makeDefinitionSweep(database, { days: kept.orphanDays }), 'workflows that nothing has were removed'),
    makeUnnamedSweep(database, objects, kept.orphanDays, log),
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
