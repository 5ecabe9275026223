import { randomInt } from 'node:crypto'
import type { Database } from './database/database.ts'
import { isDatabaseUnavailable } from './lib/errors.ts'
import type { Logger } from './lib/log.ts'
import { pause } from './lib/time.ts'
import { type CacheLimits, sweepAnswerCache } from './store/calls/answer-cache.ts'
import { sweepCallWindows } from './store/calls/call-windows.ts'
import { sweepAudit } from './store/collections/audit.ts'
import { finishDeletions } from './store/collections/deletion.ts'
import { removeUnusedEnvironments } from './store/collections/environments.ts'
import { removeOldRuns } from './store/collections/retention.ts'
import { sweepTrialRuns } from './store/collections/trials.ts'
import { measureNextUsage } from './store/collections/usage.ts'
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

/** Of so many collections what they store is measured at the most, each time. */
const measuredPerRound = 20

const measureUsage = async (database: Database): Promise<void> => {
  for (let measured = 0; measured < measuredPerRound; measured++) if (!(await measureNextUsage(database))) return
}

/** Looks at the next part of the object store for bytes that no row names; all of it takes some four hours. */
const makeUnnamedSweep = (database: Database, objects: ObjectStore, days: number, log: Logger) => {
  let part = randomInt(partsOfStore) // processes that are often started anew come to all parts too
  return async () => {
    if (days === 0) return
    part = (part + 1) % partsOfStore
    const swept = await objects.sweepUnnamed({ part, days, named: (ids) => namedObjects(database, ids) })
    if (swept && Object.values(swept).some((count) => count > 0)) log.info(swept, 'objects that no file names')
  }
}

/** Looks whether the files are still this database's alone, and says so once where that changed. */
const makeOwnerLook = (objects: ObjectStore, log: Logger) => {
  let before = 'alone'
  return async () => {
    const owner = await objects.owner()
    if (owner.state === before) return
    before = owner.state
    if (owner.state === 'alone') log.info('the files belong to this database alone')
    else log.warn({ others: owner.others, hint: ownerHint }, ownerTexts[owner.state])
  }
}

const ownerTexts = {
  copied: 'this database is a copy, was restored or was promoted: no bytes of files are removed',
  shared: 'the folder of files is used by another database too: bytes that no file of this one names are not removed',
}
const ownerHint = 'Make sure that no other database uses these files, then run `jetty storage adopt`.'

export interface House {
  /** How often each chore could not finish, since the process started. */
  readonly failures: Readonly<Record<string, number>>
  stop(): Promise<void>
}

/** Does what has to be tidied at times: deletions that were cut off, half-written uploads, environments nobody uses. */
export const keepHouse = (
  database: Database,
  objects: ObjectStore,
  cancelRunsOf: (collectionId: number) => Promise<number>,
  kept: HouseLimits,
  reapSandboxes: () => Promise<void>,
  log: Logger,
  everyMs = housekeepingMs,
): House => {
  const stop = new AbortController()
  const counted = (sweep: () => Promise<number>, what: string) => async () => {
    const count = await sweep()
    if (count > 0) log.info({ count }, what)
  }
  const lookAtOwner = makeOwnerLook(objects, log)
  const chores: Record<string, () => Promise<unknown>> = {
    file_owner: lookAtOwner,
    deleted_collections: () => finishDeletions(database, { cancelRunsOf, objects }, stop.signal),
    temporary_files: () => objects.sweepTemporary(),
    environments: () => removeUnusedEnvironments(database),
    call_windows: () => sweepCallWindows(database),
    idempotency_keys: () => sweepIdempotencyKeys(database),
    trial_runs: () => sweepTrialRuns(database),
    request_payloads: hourly(() => sweepRequestPayloads(database)),
    retention: () => removeOldRuns(database, { objects }, stop.signal),
    answer_cache: () => sweepAnswerCache(database, kept.answers),
    step_results: hourly(() => sweepStepResults(database, kept.stepResults)),
    audit: hourly(counted(() => sweepAudit(database, kept.auditDays), 'old entries of the audit trail were removed')),
    definitions: counted(
      makeDefinitionSweep(database, { days: kept.orphanDays }),
      'workflows that nothing has were removed',
    ),
    unnamed_files: makeUnnamedSweep(database, objects, kept.orphanDays, log),
    usage: () => measureUsage(database),
    sandboxes: hourly(reapSandboxes), // of a process that shares the data folder, died, and was never started again
  }
  const failures: Record<string, number> = Object.fromEntries(Object.keys(chores).map((chore) => [chore, 0]))
  /** One that fails is reported, and the others go on: an unwritable folder must not keep the tables growing. */
  const attempt = async (chore: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      if (isDatabaseUnavailable(error)) return log.debug({ chore, err: error }, 'housekeeping put off')
      failures[chore] = (failures[chore] ?? 0) + 1
      log.warn({ chore, err: error }, 'housekeeping could not finish; it is tried again')
    }
  }
  const running = (async () => {
    await attempt('file_owner', lookAtOwner)
    while (await pause(everyMs, stop.signal)) {
      for (const [chore, work] of Object.entries(chores)) await attempt(chore, work)
    }
  })()
  return {
    failures,
    async stop() {
      stop.abort()
      await running
    },
  }
}
