import type { ActivityRegistry, OutgoingRequest, OutgoingResponse } from '../activities/activity.ts'
import type { Logger } from '../lib/log.ts'
import type { ByteBudget } from '../lib/memory/byte-budget.ts'
import type { RunSql } from '../lib/sql/statement.ts'
import type { TraceSampler } from '../lib/text/trace-context.ts'
import type { LentKeys } from '../model/collections/trial.ts'
import type { RegisterProduct } from '../model/data/product.ts'
import type { ModelCalls } from '../model/gateway/model-calls.ts'
import type { CallLogMode } from '../model/gateway/recorded-call.ts'
import type { CarryOutRunbook, CheckRunbook } from '../model/runbooks/runbook-run.ts'
import type { CheckScript, RunScript } from '../model/scripts/script-run.ts'
import type { ActivitySettings } from '../model/workflows/activity-settings.ts'
import type { Pauses } from '../store/collections/pauses.ts'
import type { Quota } from '../store/collections/quota.ts'
import type { Database, Queries } from '../store/database/database.ts'
import type { DatabaseWatch } from '../store/database/watch.ts'
import type { ObjectStore } from '../store/objects/objects.ts'
import type { ResultLimits } from '../store/runs/step-results.ts'
import type { CallbackUrls } from './environment/environments.ts'
import type { ChildLimits } from './fan-out/fan-out-child.ts'
import type { OpenRunLimits } from './fan-out/open-runs.ts'
import type { ProgramCache } from './program/programs.ts'
import type { EconomyLimits } from './steps/economy.ts'
import type { StepLimits } from './steps/step-at-work.ts'
import type { StepJobLimits } from './workers/step-jobs.ts'

/** Limits of the engine and of its parts. */
interface EngineLimits extends StepLimits, EconomyLimits, StepJobLimits, ChildLimits, OpenRunLimits {
  /** A job of a worker without a heartbeat for this long goes to another worker. */
  leaseSeconds: number
  /** Lost workers after which their job fails. */
  lostWorkers: number
  /** Maximum concurrent steps of this process. */
  concurrency: number
  /** Maximum concurrent steps of one run. */
  parallelSteps: number
  maxLabelsPerRun: number
  /** Maximum recorded events of one runbook. */
  runbookEvents: number
}

/** Dependencies of the engine. */
export interface EngineOptions {
  database: Database
  /** Reports when the database accepts no writes, so that nothing waits for it. */
  watch: Pick<DatabaseWatch, 'whileUp' | 'onOutage' | 'journalFails'>
  /** Called when a process may have changed keys, collections or tasks. */
  onAccessChange(isListening: boolean): void
  /** Connections for what must never wait behind other statements: heartbeats, cancels. */
  urgent: Queries
  /** Connections for the statements of runs, separate from those of requests. */
  bulk: Queries
  /** `local`: only this process uses the database, and takes its own runs back at once. */
  executor: string
  role: 'all' | 'api' | 'worker'
  /** Labels of this process, which runs can ask for; at most `mostPlacementLabels`. */
  labels: readonly string[]
  activities: ActivityRegistry
  programs: ProgramCache
  objects: ObjectStore
  fetch(url: string, options?: OutgoingRequest): Promise<OutgoingResponse>
  sql: RunSql
  models: ModelCalls
  carryOutRunbook: CarryOutRunbook
  checkRunbook: CheckRunbook
  runScript: RunScript
  checkScript: CheckScript
  registerProduct: RegisterProduct
  /** Decides which traces are recorded; undefined: none are, and steps pass on the trace that their run came with. */
  traceSampler: TraceSampler | undefined
  activitySettings: ActivitySettings
  /** Decrypts a version of a collection's environment. */
  openEnvironment(environmentId: number): Promise<Record<string, string>>
  lentKeys: LentKeys
  sealer: { seal(text: string, boundTo: string): string; open(sealed: string, boundTo: string): string }
  /** Makes the URLs at which third parties continue a step. */
  callbacks: CallbackUrls
  /** Collections that are paused: nothing new begins in them. */
  pauses: Pick<Pauses, 'has' | 'require' | 'onResume'>
  /** Storage use and limits of collections. */
  quota: Pick<Quota, 'add' | 'require'>
  limits: EngineLimits
  /** Memory budget shared by everything in the process that holds large values. */
  memory: ByteBudget
  /** Limits of results that steps with `options.cache` reuse. */
  stepResults: ResultLimits
  /** The call log: its folder, what may wait in it while the database is away, and what a call waits for. */
  calls: { folder: string; maxBytes: number; mode: CallLogMode }
  /** Interval of the heartbeat; tests beat more often. */
  beatMs?: number
  log: Logger
}
