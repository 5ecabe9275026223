import type { AppError } from '../lib/errors.ts'
import type { ByteBudget } from '../lib/memory/byte-budget.ts'
import type { CollectionSettings } from '../model/collections/collection-settings.ts'
import type { EventLimits, NewEvent, ReceivedEventRow } from '../model/events/sent-event.ts'
import type { CallLogMode, RecordDestination, RecordedCall } from '../model/gateway/recorded-call.ts'
import type { ApprovalRow, NewDecision } from '../model/runs/decision.ts'
import type { StartLabel } from '../model/runs/label.ts'
import type { NewRun } from '../model/runs/new-run.ts'
import type { Trial } from '../model/runs/trial.ts'
import type { Receiver } from '../model/webhook.ts'
import type { WorkerQueue } from '../model/workers/worker-queue.ts'
/**
 * The port of the engine: everything else starts and watches runs through it. A run that `start` has answered is on
 * disk and runs to its end, whichever process dies in between.
 */ import type { Economy } from '../model/workflows/economy.ts'
import type { RunStatus, Workflow } from '../model/workflows/workflow.ts'
import type { WorkflowOutline } from '../model/workflows/workflow-check.ts'
import type { WorkflowFault } from '../model/workflows/workflow-fault.ts'

export interface Engine {
  /** Resolves when the run is on disk. Throws `RunExists` if its key is in use. */
  start(request: RunRequest): Promise<StartedRun>
  /**
   * Checks whether a run can be served, before anything is stored for it. Throws the fault, or returns it if the
   * request wants it recorded: pass it to `start` as `refusal`.
   */
  checkStart(request: RunRequest): Promise<AppError | undefined>
  /** Plans which recorded steps a rerun begins with. Throws a 422 that says why the run cannot be repeated. */
  planRerun(wanted: RerunOf): Promise<Carry | undefined>
  /** Finds where another workflow would first take another way than a recorded run. Executes nothing. */
  planTrial(wanted: TrialOf): Promise<PlannedTrial>
  /** Waits for the end of a run. Returns false when the signal fires first. */
  wait(runKey: string, signal: AbortSignal): Promise<boolean>
  /**
   * Stores the decision that a step waits for, at most once, and resumes the run. Returns undefined if it was decided
   * or the run has ended.
   */
  decide(decision: NewDecision): Promise<ApprovalRow | undefined>
  /** Jobs of steps that workers carry out. */
  workers: WorkerQueue
  /**
   * Gives an event to the step that has waited longest for it, or keeps it. The same event is a duplicate, and changes
   * nothing. Throws `invalid` for a payload that does not fit the step, and `quota_exceeded` if there is no room.
   */
  sendEvent(event: NewEvent, limits: EventLimits): Promise<{ event: ReceivedEventRow; duplicate: boolean }>
  /** Asks active runs to end with a status. Resolves when all have ended, or after `seconds`. */
  requestEnd(runKeys: string[], status: RunStatus, seconds?: number): Promise<void>
  /**
   * Records a gateway call that has ended. Resolves when it is as durable as the mode asks; the usual one is a setting.
   * Rejects if the disk is full, or Postgres refuses the call.
   */
  record(call: RecordedCall, mode?: CallLogMode): Promise<RecordDestination>
  /**
   * Logs a large request while its call is under way; `body` is JSON text. Resolves with the id of its payload for the
   * record, or with undefined when the disk is full. Requests whose calls are never recorded are removed after a day.
   */
  keepRequest(runKey: string, body: Buffer): Promise<string | undefined>
  /**
   * Resolves once Postgres has every call of these collections recorded so far, without them of all, or does not answer;
   * undefined if it has them.
   */
  recorded(collections?: readonly number[]): Promise<void> | undefined
  /** Where a call that ended now would be recorded. `full`: nowhere, so no call should begin. */
  recording(): RecordDestination | 'full'
  /** Whether the write queues are over their limits: new runs and calls are refused. */
  readonly isFull: boolean
  /** Calls back when this process has written something of the run. Returns the function that stops it. */
  watch(runKey: string, onChange: () => void): () => void
  /**
   * Checks runs before anything of them is stored. Throws `invalid` if their workflow cannot run. Throws or returns what
   * cannot be served, as `checkStart` does.
   */
  preflight(planned: PlannedRuns): Promise<AppError | undefined>
  /** Whether a step of a workflow can call a model, itself or in a run that it starts. */
  mayAskModels(definition: string): Promise<boolean>
  /** Lists the parameters of a workflow; undefined if it takes any. */
  parametersOf(definition: string): Promise<readonly string[] | undefined>
  /** Lists what keeps a workflow from running, one sentence each. */
  problems(workflow: Workflow): Promise<string[]>
  /** Lints a workflow, and looks up the child tasks that it names. */
  check(workflow: Workflow, home: WorkflowHome): Promise<CheckedWorkflow>
  /**
   * Cuts a workflow down to one step and its dependencies, some of them replaced by pinned outputs. Throws a 422 that
   * says why it cannot be executed.
   */
  planTry(workflow: Workflow, wanted: { step: string; outputs: PinnedOutputs }): Promise<Workflow>
  /** Adds a question to every heartbeat from now on. A process that executes no runs has no heartbeat, and never asks. */
  lookFor(look: Look): void
  /** Resolves when every start that is under way now is stored or refused. */
  settled(): Promise<void>
  /** Gauges and counters for metrics and benchmarks. */
  statistics(): EngineStatistics
  /** Starts no more steps, gives running ones `seconds`, and hands the other runs over. */
  stop(seconds: number): Promise<void>
  /** Stops recording calls. Call it after the last `record`. */
  closeRecords(): Promise<void>
}

/** A run with this internal key exists already, or is being written. */
export class RunExists extends Error {}

/** An uploaded file that is in the object store. */
export interface Upload {
  object: string
  name: string
  contentType: string
  size: number
  /** SHA-256 of the bytes, in hex. */
  sha256: string
}

/** Treatment of a run that cannot be served: the request fails, or the run is recorded as failed. */
export type Unservable = 'refuse' | 'record'

export interface RunRequest {
  collection: {
    id: number
    name: string
    /** Who pays for it: see `Owner`. */
    payer: number
    environmentId: number | null
    /** Its settings; read if the caller does not have them. */
    settings?: Partial<CollectionSettings> | undefined
  }
  task: { id: number; name: string /** Hash of the workflow's text. */; definition: string }
  /** The caller's parameters, merged over the task's `init_params` key by key. */
  initParams: Record<string, unknown>
  secrets: Record<string, string>
  /** Names of the provider keys that the server lends to the run. */
  lent?: readonly string[]
  files: Upload[]
  author: string
  /** Labels that it starts with. */
  labels?: readonly StartLabel[] | undefined
  /** The trace that its caller is part of: see `readTrace`. */
  trace?: string | undefined
  /** `attributes.params` of its trajectory document. */
  params?: Record<string, unknown>
  /** `batch`: chats of its steps, and of those below it, wait for the batch interface of their provider. */
  economy?: Economy | undefined
  /** Set where it tries another version on a recorded run. */
  trial?: Trial | undefined
  /** The routine that starts it. */
  routineId?: number
  /** Receiver of the webhook at its end, and the secret that signs it. */
  webhook?: Receiver
  /** Set where the run repeats another one. */
  rerun?: Rerun
  /** Internal key, where the same cause must always lead to the same run. */
  key?: string
  /** `checkStart` has passed already. */
  isChecked?: boolean
  /** By default a run that cannot be served is refused. */
  unservable?: Unservable
  /** The fault that `checkStart` returned. The run is recorded, and fails with it before its first step. */
  refusal?: AppError | undefined
}

/** A run as it was stored. */
export type StartedRun = Omit<NewRun, 'sealedSecrets'>

/** The relation of a rerun to the run that it repeats. */
export interface Rerun {
  /** Results to begin with, instead of executing those steps. */
  carry?: Carry
  /** Key of the run whose recorded results a replay takes: it calls no model and needs no keys. */
  replayOf?: string
}

/** Steps of a run that another run takes over as they were recorded, instead of executing them. */
export interface Carry {
  /** The run that the results come from, and its ids for the origin of each step. */
  source: { key: string; trajectoryId: string; name: string }
  steps: { seq: number; name: string }[]
}

/** The run that is to be repeated. Definitions are hashes of their texts. */
export interface RerunOf {
  source: Carry['source']
  /** Name of the step to begin with; undefined: the first one. */
  fromStep: string | undefined
  definitions: { source: string; target: string }
}

/** A recorded run, and what would be different now. Definitions are hashes of their texts. */
export interface TrialOf {
  source: Carry['source']
  definitions: { source: string; target: string }
  /** Names of the `init_params` that would have other values. */
  parameters: readonly string[]
}

export interface PlannedTrial {
  /** Name of the first step that differs; null: none of those that the run executed. */
  step: string | null
  /** Recorded results before that step; undefined: there are none. */
  carry: Carry | undefined
  /** Steps that write among those that would be executed, as far as their configs tell. */
  writes: string[]
}

/** Runs of one task that a caller is about to ask for, each with parameters of its own. */
export interface PlannedRuns extends Pick<RunRequest, 'task' | 'secrets' | 'lent' | 'unservable'> {
  collection: Pick<RunRequest['collection'], 'id' | 'environmentId'>
  /** Parameters of each run, merged over the task's `init_params`. */
  runs: readonly Record<string, unknown>[]
}

/** The collection that a workflow is meant for, and the task that it is or will be. */
export interface WorkflowHome {
  id: number
  name: string
  payer: number
  task?: string | undefined
}

/** Outputs of steps that are not executed, by the name of the step. */
export type PinnedOutputs = Readonly<Record<string, Record<string, unknown>>>

export interface CheckedWorkflow {
  faults: WorkflowFault[]
  /** Describes its steps and the origins of their parameters. */
  outline(): WorkflowOutline
}

/** A question that the heartbeat asks for another part of the server, which then needs no poll of its own. */
export interface Look {
  /** SQL condition, given the parameter that holds the time in question. */
  condition(at: string): string
  now(): Date
  /** Called when the condition holds. */
  onSeen(): void
}

/** Writes of the journal since the process started. */
export interface JournalStatistics {
  commits: number
  entries: number
  /** Statements sent again because their answer was lost. */
  resent: number
  /** By status. */
  runsEnded: Record<string, number>
  stepsEnded: Record<string, number>
}

/** Recorded calls since the process started; `spillBytes` is what waits in files now. */
export interface RecordStatistics {
  recorded: number
  spilled: number
  replayed: number
  spillBytes: number
}

export interface RunbookStatistics {
  working: number
  waiting: number
  /** Runbooks that have ended, by `completed` or the reason of their failure. */
  ended: Readonly<Record<string, number>>
}

interface EngineStatistics extends JournalStatistics {
  /** Runs in memory. */
  live: number
  /** Steps that are executing. */
  slots: number
  runbooks: RunbookStatistics
  leases: number
  /** Bytes of memory that large values use, their limit, and the number of steps that wait for memory. */
  memory: Pick<ByteBudget, 'used' | 'total' | 'waiting' | 'waits'>
  /** Runs accepted since the process started. */
  started: number
  records: RecordStatistics
}
