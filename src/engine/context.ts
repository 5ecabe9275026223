import type { ActivityRegistry, OutgoingRequest, OutgoingResponse } from '../activities/activity.ts'
import type { Queries } from '../database/database.ts'
import type { Logger } from '../lib/log.ts'
import type { ByteBudget } from '../lib/memory/byte-budget.ts'
import type { Slots } from '../lib/slots.ts'
import type { ModelCalls } from '../model/gateway/model-calls.ts'
import type { CarryOutRunbook, CheckRunbook } from '../model/runbooks/runbook-run.ts'
import type { ActivitySettings } from '../model/workflows/activity-settings.ts'
import type { RunStatus } from '../model/workflows/workflow.ts'
import type { Quota } from '../store/collections/quota.ts'
import type { ObjectStore } from '../store/objects/objects.ts'
import type { FoundResult, ResultKey } from '../store/runs/step-results.ts'
import type { Look } from './engine.ts'
import type { EngineLimits } from './engine-options.ts'
import type { Environment } from './environment/environment.ts'
import type { FanOuts } from './fan-out/fan-out.ts'
import type { OpenRuns } from './fan-out/open-runs.ts'
import type { Journal } from './journal/journal.ts'
import type { SuspectGates } from './leases/suspects.ts'
import type { Course } from './program/course.ts'
import type { Program, ProgramStep } from './program/program.ts'
import type { RunbooksHere } from './runbooks/runbook-clock.ts'
import type { StandingRecord } from './runs/standing.ts'
import type { ModelRules } from './steps/model-rules.ts'
import type { RunLabels } from './steps/run-labels.ts'
import type { Decisions } from './waits/decisions.ts'

/** What the rooms of the engine share. Built once, in make-engine.ts. */
export interface EngineContext {
  /** This process: `local` with the embedded database, else unique for its life. */
  executor: string
  /** Waits for Postgres when it is away: a run never fails for that. */
  database: Queries
  /** Connections of their own for short statements that must never wait behind others: heartbeats, cancels. */
  urgent: Queries
  journal: Journal
  activities: ActivityRegistry
  objects: ObjectStore
  fetch(url: string, options?: OutgoingRequest): Promise<OutgoingResponse>
  models: ModelCalls
  carryOutRunbook: CarryOutRunbook
  checkRunbook: CheckRunbook
  activitySettings: ActivitySettings
  rules: ModelRules
  labels: RunLabels
  log: Logger
  /** What collections store, and may store. */
  quota: Pick<Quota, 'add' | 'require'>
  limits: EngineLimits
  slots: Slots
  /** What large values may take of the process's memory, all together. */
  memory: ByteBudget
  /** Lets few values above 1 MiB travel to and from the database at once: other queries find a free connection. */
  transfer<Result>(bytes: number, work: () => Promise<Result> | Result): Promise<Result> | Result
  suspects: SuspectGates
  /** Runs this process works on, by internal key. */
  live: Map<string, LiveRun>
  /** Runs here that wait for a permit of their lease, by internal key. */
  atGate: Map<string, WaitingAtGate>
  programs: { of(hash: string): Promise<Program> }
  environments: { of(environmentId: number | null, sealedSecrets: string | null, runKey: string): Promise<Environment> }
  /** When (`performance.now()`) the last heartbeat that arrived was sent; nobody had taken a lease of ours by then. */
  beatenMs: number
  /** What others look for with each heartbeat. */
  looks: Look[]
  /** Fires when the process stops taking steps. */
  stopping: AbortSignal
  /** All records of a run that has branches, loops, or steps side by side. */
  standingRecords(runKey: string, program: Program): Promise<StandingRecord[]>
  /** Records of earlier steps, read back from storage. */
  results(runKey: string, seq: number): Promise<StoredResult | undefined>
  /** A completed result that was made from the same, for steps with `options.cache`. */
  findResult(key: ResultKey): Promise<FoundResult | undefined>
  /** Steps that wait here for somebody's decision. */
  decisions: Decisions
  /** A run has ended here; its waiters want to know. */
  onEnd(runKey: string): void
  runbooks: RunbooksHere
  /** Bounds the open runs that runs have started. */
  openRuns: OpenRuns
  /** Steps that start runs and wait for them. */
  fanOuts: FanOuts
}

/** A run that waits for a permit of its lease. */
export interface WaitingAtGate {
  depth: number
  /** Asks it to end. */
  ask(status: RunStatus): void
}

/** A run in memory: where it stands, and what later steps may still ask for. */
export interface LiveRun {
  key: string
  trajectoryId: string
  collectionId: number
  taskId: number
  collection: string
  task: string
  author: string
  program: Program
  initParams: Record<string, unknown>
  /** Bytes that were taken of the memory budget for them. */
  heldBytes: number
  environment: Environment
  /** How many runs are above it. */
  depth: number
  /** Key of the run whose recorded results it takes in the place of the world's. */
  replayOf: string | null
  /** Why it cannot be served: it fails with this sentence before its first step. */
  refusal: string | null
  /** Its row still says `pending`: its first record is to change that. */
  pending: boolean
  /** Index in the program of the step to carry out next, and its place in the order of execution (`steps.seq`). */
  next: number
  seq: number
  /** Which attempt of that step comes, and when the step started first, if it has. */
  attempt: number
  started: Date | undefined
  /** What branches and loops have decided, where there are some; or which steps that run side by side have ended. */
  course: Course | undefined
  /** Steps that run side by side and had begun when the run was taken over, by their index. */
  begun: Map<number, { attempt: number; started: Date }> | undefined
  /** Of steps that run side by side: how many are being carried out. */
  underWay: number
  /** See work-time.ts. */
  workMs: number
  working: number
  workedUntilMs: number
  deaths: number
  /** Recorded steps that later ones read, by their index in the program. */
  results: Map<number, StepResult>
  /** Somebody asked for this end. */
  requested: RunStatus | undefined
  /** The run at the top of its tree was asked to end, and this one with it. */
  isTreeEnding?: boolean
  /** The first step that failed while others were still at work. */
  failure: { name: string; message: string } | undefined
  /** Each ends something that the run is executing or waiting for right now. */
  interrupts: Set<() => void>
}

/** A step at its place in the order of execution. */
export interface Place {
  step: ProgramStep
  /** Where it is recorded: 0-based, in the order of execution. */
  seq: number
  /** What it is recorded as: the name of the step, from the second turn of a loop on with `__<turn>`. */
  name: string
  /** 1-based turn of the loop that it stands in. */
  turn: number
  attempt: number
  /** When it started first, if it has. */
  started: Date | undefined
}

/** What a recorded step offers to later ones, as JSON text until it is read. */
export interface StepResult {
  inputs: string | null
  outputs: string | null
  status: string
  error: string | null
  value?: unknown
  /** Bytes that were taken of the memory budget for it. */
  bytes: number
}

/** The record of a step as it is stored: large values stand elsewhere, with so many bytes. */
export interface StoredResult extends Omit<StepResult, 'value' | 'bytes'> {
  inputs_payload: string | null
  outputs_payload: string | null
  inputs_bytes: number
  outputs_bytes: number
}
