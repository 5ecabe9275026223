import type { ActivityRegistry, OutgoingRequest, OutgoingResponse } from '../activities/activity.ts'
import type { Database, Queries } from '../database/database.ts'
import type { DatabaseWatch } from '../database/watch.ts'
import type { Logger } from '../lib/log.ts'
import type { ByteBudget } from '../lib/memory/byte-budget.ts'
import type { LentKeys } from '../model/collections/trial.ts'
import type { ModelCalls } from '../model/gateway/model-calls.ts'
import type { CarryOutRunbook, CheckRunbook } from '../model/runbooks/runbook-run.ts'
import type { ActivitySettings } from '../model/workflows/activity-settings.ts'
import type { Quota } from '../store/collections/quota.ts'
import type { ObjectStore } from '../store/objects/objects.ts'
import type { ResultLimits } from '../store/runs/step-results.ts'
import type { ChildLimits } from './fan-out/fan-out-child.ts'
import type { OpenRunLimits } from './fan-out/open-runs.ts'
import type { ProgramLimits } from './program/program.ts'
import type { StepLimits } from './steps/step-at-work.ts'

/** The limits of the engine: those of its parts, and its own. */
export interface EngineLimits extends ProgramLimits, StepLimits, ChildLimits, OpenRunLimits {
  /** Steps that execute at once in this process. */
  concurrency: number
  /** Steps of one run that execute side by side. */
  parallelSteps: number
  maxLabelsPerRun: number
  /** Events of one runbook that are kept. */
  runbookEvents: number
}

/** What the engine is made of. */
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
