import type {
  ActivityContext,
  Decision,
  Expiry,
  FailedWith,
  Json,
  OutgoingRequest,
  OutgoingResponse,
  WaitForDecision,
  WaitForRuns,
  WaitUntil,
} from '../../activities/activity.ts'
import { AppError } from '../../lib/errors.ts'
import type { ByteBudget } from '../../lib/memory/byte-budget.ts'
import type { Slots } from '../../lib/slots.ts'
import type { RunSql } from '../../lib/sql/statement.ts'
import type { TraceSampler } from '../../lib/text/trace-context.ts'
import type { RegisterProduct } from '../../model/data/product.ts'
import type { AwaitedEvent, WaitForEvent } from '../../model/events/awaited-event.ts'
import type { WaitForBatch } from '../../model/gateway/collected-call.ts'
import type { ModelCalls } from '../../model/gateway/model-calls.ts'
import type { WaitForJob, WorkerJobRequest } from '../../model/workers/worker-job-request.ts'
import type { ActivitySettings } from '../../model/workflows/activity-settings.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { queryOne, text } from '../../store/database/table.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { makeLabelChanges } from '../../store/runs/labels.ts'
import type { FoundResult, ResultKey } from '../../store/runs/step-results.ts'
import type { Journal } from '../journal/journal.ts'
import type { LeaseRef, StepRow } from '../journal/journal-entry.ts'
import type { ReadStoredResult } from '../journal/stored-results.ts'
import type { Transfer } from '../journal/transfers.ts'
import type { EndBelow } from '../leases/end-below.ts'
import type { Heartbeat } from '../leases/heartbeat.ts'
import type { SuspectGates } from '../leases/suspects.ts'
import type { Program } from '../program/program.ts'
import type { CollectFor } from './economy.ts'
import type { HeldSlot } from './held-slot.ts'
import type { ModelRules } from './model-rules.ts'
import type { StepReplay } from './recording.ts'
import type { StepMemory } from './step-memory.ts'
import type { StartRow } from './step-record.ts'
import type { StepPlace, StepRun } from './step-run.ts'
import type { StepSide } from './step-side.ts'

/** A label as a step sets it, of a run of its own collection. */
interface StepLabel {
  trajectory_id: string
  key: string
  value: string
  author: string
  /** The run whose step sets it. */
  recordedBy: string
}

/** Sets labels for steps; what arrives together is written together. */
interface RunLabels {
  set(collectionId: number, label: StepLabel): Promise<void>
}

const findLabelledRun = queryOne(
  'find_labelled_run',
  { id: text },
  'select id from runs where trajectory_id = $1 and collection_id = $2 order by ingested, number desc limit 1',
  (trajectoryId: string, collectionId: number) => [trajectoryId, collectionId],
)

const findLabelled = async (database: Database, collectionId: number, trajectoryId: string): Promise<string> => {
  const row = await findLabelledRun(database, trajectoryId, collectionId)
  if (row) return row.id
  throw new AppError('not_found', `There is no run '${trajectoryId}' in this collection`)
}

export const makeRunLabels = (database: Database, most: number): RunLabels => {
  const changes = makeLabelChanges(database, { most })
  return {
    async set(collectionId, { trajectory_id, ...label }) {
      const runId = await findLabelled(database, collectionId, trajectory_id)
      if (await changes.set({ runId, ...label })) return
      throw new AppError('activity_failed', `A run has at most ${most} labels`, {
        hint: 'Remove some, or raise JETTY_MAX_LABELS_PER_RUN.',
      })
    },
  }
}

/** Dependencies of executing steps. */
export interface StepDeps {
  /** Waits for Postgres while it is away: a run never fails for that. */
  database: Queries
  journal: Pick<Journal, 'add' | 'withdraw'>
  objects: ObjectStore
  fetch(url: string, options?: OutgoingRequest): Promise<OutgoingResponse>
  sql: RunSql
  models: ModelCalls
  rules: ModelRules
  labels: RunLabels
  registerProduct: RegisterProduct
  traceSampler: TraceSampler | undefined
  activitySettings: ActivitySettings
  quota: Pick<Quota, 'add' | 'require'>
  limits: StepLimits
  slots: Slots
  /** Memory that large values take, all together. */
  memory: ByteBudget
  transfer: Transfer
  suspects: SuspectGates
  /** Fires when the process stops taking steps. */
  stopping: AbortSignal
  confirmLease: Heartbeat['confirm']
  endAllBelow: EndBelow['all']
  /** Reads the record of an earlier step. */
  results: ReadStoredResult
  /** Finds a completed result that was made from the same, for steps with `options.cache`. */
  findResult(key: ResultKey): Promise<FoundResult | undefined>
  /** Wakes callers that wait for a run that has ended here. */
  onEnd(runKey: string): void
  /** Waits, without a slot, for what an activity asks to wait for. */
  waitOut(
    work: StepAtWork,
    wanted: WaitUntil | WaitForRuns | WaitForDecision | WaitForEvent | WaitForJob | WaitForBatch,
  ): Promise<Waited>
  /** Reads what the runs of a task of the collection take. Throws `not_found`. */
  taskInputs(run: StepRun, task: string): Promise<Pick<Program, 'inputSchema' | 'initParams'>>
  /** Reads the decision about a step; undefined while it may still wait. */
  readDecision(step: DecidedStep, expiry: Expiry | null): Promise<Decision | undefined>
  /** Queues the job of a step, or returns its outputs; undefined while it may still wait. Throws its failure. */
  askWorkers(step: JobStep, request: WorkerJobRequest): Promise<Record<string, Json> | undefined>
  /** Makes what sends the chats of a step through batches. */
  collectFor: CollectFor
  /** Reads what came of a step's wait for an event; undefined while it may still wait. */
  readEvent(step: DecidedStep, expiresAt: Date | null): Promise<AwaitedEvent | undefined>
  /** Lets the step carry out a runbook. */
  carryOutFor(
    work: StepAtWork,
    held: HeldSlot,
    attempt: number,
    signal: () => AbortSignal,
  ): ActivityContext['carryOutRunbook']
  /** Lets the step run a script. */
  runScriptFor(
    work: StepAtWork,
    held: HeldSlot,
    attempt: number,
    signal: () => AbortSignal,
  ): ActivityContext['runScript']
}

export interface StepLimits {
  stepTimeoutSeconds: number
  /** Working time of one run in all; waiting does not count. */
  runTimeoutSeconds: number
  maxOutputBytes: number
}

/** A step that waits for a decision or an event, and the log messages that go with it. */
export interface DecidedStep {
  run: StepRun
  seq: number
  side: StepSide
}

/** An attempt of a step that lets a worker carry out an activity. */
export interface JobStep extends Pick<StepAtWork, 'run' | 'place' | 'side'> {
  attempt: number
}

/** The step is not recorded: the next owner of the run carries it out again. */
export type StepLeft = 'parked' | 'released'

/** The result of a wait: outputs or a failure to record, `again` to run the activity once more, or the run has left. */
type Waited = Record<string, Json> | FailedWith | 'again' | StepLeft

/** A step that is being carried out, and what will be recorded of it. */
export interface StepAtWork {
  engine: StepDeps
  lease: LeaseRef
  run: StepRun
  place: StepPlace
  row: StepRow
  side: StepSide
  startRow: StartRow
  memory: StepMemory
  /** Set in a run that replays another one. */
  replay: StepReplay | undefined
  /** Hash of what its result is made from, with `options.cache`. */
  resultHash: string | undefined
  /** Whether it has started runs, here or under an earlier owner of the run. */
  hasRuns: boolean
  /** Whether its activity has been called. */
  isExecuting: boolean
  /** Whether the attempt has recorded that it begins an effect outside, which may have happened. */
  hasBegun: boolean
  /** Whether it is recorded, or left to another process. */
  isOver: boolean
}
