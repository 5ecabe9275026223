import type { ActivityRegistry, OutgoingRequest, OutgoingResponse } from '../activities/activity.ts'
import type { Database, Queries } from '../database/database.ts'
import type { DatabaseWatch } from '../database/watch.ts'
import type { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { ByteBudget } from '../lib/memory/byte-budget.ts'
import type { LentKeys } from '../model/collections/trial.ts'
import type { ModelCalls } from '../model/gateway/model-calls.ts'
import type { CarryOutRunbook, CheckRunbook } from '../model/runbooks/runbook-run.ts'
import type { ActivitySettings } from '../model/workflows/activity-settings.ts'
import type { RunStatus, Workflow } from '../model/workflows/workflow.ts'
import type { WorkflowFault } from '../model/workflows/workflow-fault.ts'
import type { Quota } from '../store/collections/quota.ts'
import type { ObjectStore } from '../store/objects/objects.ts'
import type { ApprovalRow, NewDecision } from '../store/runs/approvals.ts'
import type { ResultLimits } from '../store/runs/step-results.ts'
import type { EngineLimits } from './context.ts'
import type { JournalStatistics } from './journal/journal.ts'
import type { Look } from './look.ts'
import { makeEngine } from './make-engine.ts'
import type { RecordedCall, Recording } from './records/call-record.ts'
import type { RecordStatistics } from './records/record-lane.ts'
import type { RunbookStatistics } from './runbooks/runbook-clock.ts'
import type { Carry } from './start/carry.ts'
import type { WorkflowHome } from './start/check-workflow.ts'
import type { Planned } from './start/preflight.ts'
import type { RerunOf } from './start/rerun.ts'
import type { RunRequest, StartedRun } from './start/start.ts'

/**
 * The port between everything else and what makes runs durable. Whatever `start` has answered is on disk and will
 * run to its end, whatever dies in between.
 */
export interface Engine {
  /** Resolves when the run is on disk. */
  start(request: RunRequest): Promise<StartedRun>
  /**
   * Checks whether a run can be served, while nothing is kept for it yet. Throws what is wrong with it; returns it where
   * the request has it recorded: hand it to `start` as `refusal`.
   */
  checkStart(request: RunRequest): Promise<AppError | undefined>
  /** What a run begins with that is another one once more. Throws the 422 that says why it cannot be. */
  planRerun(wanted: RerunOf): Promise<Carry | undefined>
  /** Waits for a run's end; false when the signal fired first. */
  wait(runKey: string, signal: AbortSignal): Promise<boolean>
  /** Decides what a step waits for, once, and lets the run go on; undefined where it was decided, or has ended. */
  decide(decision: NewDecision): Promise<ApprovalRow | undefined>
  /** Asks active runs to end with a status; resolves when all have, or after `seconds`. */
  requestEnd(runKeys: string[], status: RunStatus, seconds?: number): Promise<void>
  /**
   * Writes a call down that has ended, beside the journal; resolves when it is on disk, and says where. Rejects where the
   * disk is full, or Postgres refuses the call.
   */
  record(call: RecordedCall): Promise<Recording>
  /** Where a call that ended now would be written; with `full` none should begin. */
  recording(): Recording | 'full'
  /** Whether more runs or calls wait to be written down than may: new ones are refused. */
  readonly isFull: boolean
  /** Calls back when something of a run was written by this process; gives the function that ends it. */
  watch(runKey: string, onChange: () => void): () => void
  /**
   * Checks runs before anything of them is written down. Throws `invalid` where their workflow cannot run; what cannot be
   * served is thrown or returned as by `checkStart`.
   */
  preflight(planned: Planned): Promise<AppError | undefined>
  /** Whether a step of a workflow can ask a model, itself or in a run that it starts. */
  mayAskModels(definition: string): Promise<boolean>
  /** Says what keeps a workflow from running, a sentence each. */
  problems(workflow: Workflow): string[]
  /** Finds what a run of a workflow would stumble over; see `checkWorkflow`. */
  check(workflow: Workflow, home: WorkflowHome): Promise<WorkflowFault[]>
  /** Asks a question with every heartbeat from now on; never where the process executes nothing. */
  lookFor(look: Look): void
  /** Resolves when every start that is under way now has been written down or refused. */
  settled(): Promise<void>
  /** What this process has now and did since its start: for metrics and benchmarks. */
  statistics(): EngineStatistics
  /** Takes no more steps, gives running ones `seconds`, hands the rest over. */
  stop(seconds: number): Promise<void>
  /** Ends the writing of calls; after the last `record`. */
  closeRecords(): Promise<void>
}

export interface EngineStatistics extends JournalStatistics {
  live: number
  slots: number
  runbooks: RunbookStatistics
  leases: number
  /** Bytes that large values have in memory, how many they may have, and who waits for some. */
  memory: { used: number; total: number; waiting: number }
  /** Runs accepted. */
  started: number
  records: RecordStatistics
}

export interface EngineOptions {
  database: Database
  /** Says when the database takes no writes: nobody waits for it then. */
  watch: Pick<DatabaseWatch, 'whileUp' | 'onOutage'>
  /** Of the library that hands leases out. */
  libraryConnections: number
  /** Connections for what must never wait behind other statements: heartbeats, cancels. */
  urgent: Queries
  /** Connections for the statements of runs: their number never takes those of requests away. */
  bulk: Queries
  /** `local`: this process alone uses the database, and takes its own runs back at once. */
  executor: string
  role: 'all' | 'api' | 'worker'
  activities: ActivityRegistry
  objects: ObjectStore
  fetch(url: string, options?: OutgoingRequest): Promise<OutgoingResponse>
  models: ModelCalls
  carryOutRunbook: CarryOutRunbook
  checkRunbook: CheckRunbook
  activitySettings: ActivitySettings
  /** Opens what the collection environments and run secrets were sealed with. */
  openEnvironment(environmentId: number): Promise<Record<string, string>>
  lentKeys: LentKeys
  sealer: { seal(text: string, boundTo: string): string; open(sealed: string, boundTo: string): string }
  /** What collections store, and may store. */
  quota: Pick<Quota, 'add' | 'require'>
  limits: EngineLimits
  /** Shared with everything else in the process that holds large values. */
  memory: ByteBudget
  /** Of results that are reused by steps with `options.cache`. */
  stepResults: ResultLimits
  /** Where recorded calls wait while the database is away. */
  spill: { folder: string; maxBytes: number }
  /** How often the process shows that it lives, and looks for work; the tests do more often. */
  beatMs?: number
  log: Logger
}

/** Starts the engine: takes over what is ours, then launches the library that hands leases out. */
export const startEngine = (options: EngineOptions): Promise<Engine> => makeEngine(options)
