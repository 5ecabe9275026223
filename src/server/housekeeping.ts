import { randomInt } from 'node:crypto'
import type { Engine } from '../engine/engine.ts'
import { isDatabaseUnavailable } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/time.ts'
import { type CacheLimits, sweepAnswerCache } from '../store/calls/answer-cache.ts'
import { sweepCallWindows } from '../store/calls/call-guard.ts'
import { sweepAudit } from '../store/collections/audit.ts'
import { finishDeletions } from '../store/collections/deletion.ts'
import { removeUnusedEnvironments } from '../store/collections/environments.ts'
import { measureNextUsage } from '../store/collections/quota.ts'
import { makeRetentionLooks, removeOldRuns } from '../store/collections/retention.ts'
import { sweepSessions } from '../store/collections/sessions.ts'
import { sweepTrialRuns } from '../store/collections/trials.ts'
import type { Database, Queries } from '../store/database/database.ts'
import { sweepEvents } from '../store/events/events.ts'
import { namedObjects } from '../store/files/files.ts'
import { sweepHookDeliveries } from '../store/hooks.ts'
import { sweepIdempotencyKeys } from '../store/idempotency.ts'
import { sweepDatasetBatches } from '../store/items/dataset-runs.ts'
import type { ObjectStore } from '../store/objects/objects.ts'
import { partsOfStore } from '../store/objects/unnamed.ts'
import { sweepCallWitnesses } from '../store/runs/call-witnesses.ts'
import { sweepRequestPayloads } from '../store/runs/payloads.ts'
import { activeRunsOf } from '../store/runs/runs.ts'
import { type ResultLimits, sweepStepResults } from '../store/runs/step-results.ts'
import { readRestoreState } from '../store/system/restore-state.ts'
import { makeDefinitionSweep } from '../store/tasks/definitions.ts'

const everyMinuteMs = 60_000

/** Slows a chore down that would read too much to run every minute. */
const hourly = (chore: () => Promise<unknown>): (() => Promise<void>) => {
  let nextMs = 0
  return async () => {
    if (performance.now() < nextMs) return
    nextMs = performance.now() + 3_600_000
    await chore()
  }
}

interface HousekeepingDeps {
  database: Database
  objects: ObjectStore
  cancelRunsOf: CancelCollectionRuns
  /** Removes the sandboxes of dead processes. */
  reapSandboxes(): Promise<unknown>
  answers: CacheLimits
  stepResults: ResultLimits
  /** Days, number and bytes of deliveries that a hook keeps. */
  hookDeliveries: { days: number; most: number; bytes: number }
  /** Days that the audit trail is kept; 0 keeps it for ever. */
  auditDays: number
  /** Days that files and workflows are kept after nothing refers to them; 0 keeps them for ever. */
  orphanDays: number
  log: Logger
  /** Pause between two rounds; tests shorten it. */
  everyMs?: number | undefined
}

/** Collections whose storage is measured in one round, at most. */
const measuredPerRound = 20

const measureUsage = async (database: Database): Promise<void> => {
  for (let measured = 0; measured < measuredPerRound; measured++) if (!(await measureNextUsage(database))) return
}

/** Sweeps one part of the object store a round for bytes that no row names; all parts take about four hours. */
const makeUnnamedSweep = ({ database, objects, orphanDays: days, log }: HousekeepingDeps) => {
  let part = randomInt(partsOfStore) // random, so that a process that restarts often reaches every part
  return async () => {
    if (days === 0) return
    part = (part + 1) % partsOfStore
    const swept = await objects.sweepUnnamed({ part, days, named: (ids) => namedObjects(database, ids) })
    if (swept && Object.values(swept).some((count) => count > 0)) log.info(swept, 'objects that no file names')
  }
}

const ownerTexts = {
  copied: 'this database is a copy, was restored or was promoted: no bytes of files are removed',
  shared: 'the folder of files is used by another database too: bytes that no file of this one names are not removed',
}
const ownerHint = 'Make sure that no other database uses these files, then run `jetty storage adopt`.'

/** Checks whether another database uses the files, and logs each change once. */
const makeOwnerCheck = ({ objects, log }: HousekeepingDeps, onState: (isAlone: boolean) => void) => {
  let before = 'alone'
  return async () => {
    const owner = await objects.owner()
    if (owner.state === before) return
    onState(owner.state === 'alone')
    before = owner.state
    if (owner.state === 'alone') log.info('the files belong to this database alone')
    else log.warn({ others: owner.others, hint: ownerHint }, ownerTexts[owner.state])
  }
}

type Chore = () => Promise<unknown>

/** Every chore by the name that its metric has; `file_owner` also runs once at the start. */
const makeChores = (deps: HousekeepingDeps, stop: AbortSignal, onOwner: (isAlone: boolean) => void) => {
  const { database, objects, cancelRunsOf, log } = deps
  const logged = (sweep: () => Promise<number>, what: string) => async () => {
    const count = await sweep()
    if (count > 0) log.info({ count }, what)
  }
  /** A restored server removes nothing before an operator has looked at it. */
  const unlessHeld = (chore: Chore) => async () => {
    if (!(await readRestoreState(database))) await chore()
  }
  const definitions = makeDefinitionSweep(database, { days: deps.orphanDays })
  const retentionLooks = makeRetentionLooks()
  const audit = () => sweepAudit(database, deps.auditDays)
  return {
    file_owner: makeOwnerCheck(deps, onOwner),
    deleted_collections: () => finishDeletions(database, { cancelRunsOf, objects }, stop),
    temporary_files: () => objects.sweepTemporary(),
    environments: () => removeUnusedEnvironments(database),
    call_witnesses: hourly(() => sweepCallWitnesses(database)),
    call_windows: () => sweepCallWindows(database),
    idempotency_keys: () => sweepIdempotencyKeys(database),
    sessions: () => sweepSessions(database),
    events: unlessHeld(() => sweepEvents(database)),
    trial_runs: () => sweepTrialRuns(database),
    request_payloads: hourly(() => sweepRequestPayloads(database)),
    retention: unlessHeld(() => removeOldRuns(database, { objects }, stop, retentionLooks)),
    answer_cache: () => sweepAnswerCache(database, deps.answers),
    dataset_batches: hourly(() => sweepDatasetBatches(database)),
    step_results: hourly(() => sweepStepResults(database, deps.stepResults)),
    hook_deliveries: hourly(unlessHeld(() => sweepHookDeliveries(database, deps.hookDeliveries))),
    audit: hourly(unlessHeld(logged(audit, 'old entries of the audit trail were removed'))),
    definitions: logged(definitions, 'workflows that nothing has were removed'),
    unnamed_files: makeUnnamedSweep(deps),
    usage: () => measureUsage(database),
    // Sandboxes of a process that shares the data folder, died, and was not started again.
    sandboxes: hourly(deps.reapSandboxes),
  } satisfies Record<string, Chore>
}

export interface Housekeeping {
  /** How often each chore has failed since the process started. */
  readonly failures: Readonly<Record<string, number>>
  /** Another database uses the files, so that bytes of files are not removed. */
  readonly keepsRemovedFiles: boolean
  /** Starts the chores. */
  begin(): void
  stop(): Promise<void>
}

/** Makes the chores of a server: interrupted deletions, retention, and sweeps of what nothing uses any more. */
export const makeHousekeeping = (deps: HousekeepingDeps): Housekeeping => {
  const { log, everyMs = everyMinuteMs } = deps
  const stop = new AbortController()
  let keepsRemovedFiles = false
  const chores = makeChores(deps, stop.signal, (isAlone) => {
    keepsRemovedFiles = !isAlone
  })
  const failures: Record<string, number> = Object.fromEntries(Object.keys(chores).map((name) => [name, 0]))
  /** A chore that fails does not keep the others from running: a folder without write permission must not stop retention. */
  const attempt = async (name: string, chore: Chore): Promise<void> => {
    try {
      await chore()
    } catch (error) {
      if (isDatabaseUnavailable(error)) return log.debug({ chore: name, err: error }, 'housekeeping put off')
      failures[name] = (failures[name] ?? 0) + 1
      log.warn({ chore: name, err: error }, 'housekeeping could not finish; it is tried again')
    }
  }
  const run = async (): Promise<void> => {
    if (stop.signal.aborted) return
    await attempt('file_owner', chores.file_owner)
    while (await pause(everyMs, stop.signal)) {
      for (const [name, chore] of Object.entries(chores)) await attempt(name, chore)
    }
  }
  let running: Promise<void> | undefined
  return {
    failures,
    begin() {
      running ??= run()
    },
    get keepsRemovedFiles() {
      return keepsRemovedFiles
    },
    async stop() {
      stop.abort()
      await running
    },
  }
}

/** Cancels every active run of a collection. Returns their number. */
export type CancelCollectionRuns = (collectionId: number) => Promise<number>

export const makeCancelCollectionRuns =
  (database: Queries, engine: Pick<Engine, 'requestEnd'>): CancelCollectionRuns =>
  async (collectionId) => {
    const active = await activeRunsOf(database, collectionId)
    if (active.length > 0) await engine.requestEnd(active, 'cancelled')
    return active.length
  }
