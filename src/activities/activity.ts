import type { z } from 'zod'
import type { AppError } from '../lib/errors.ts'
import type { Owner } from '../lib/fair-queue.ts'
import type { OutgoingRequest, OutgoingResponse } from '../lib/net/outgoing.ts'
import type { OpenSql, OutgoingSql } from '../lib/sql/statement.ts'
import type { TraceHeaders } from '../lib/text/trace-context.ts'
import type { NewProduct, RegisteredProduct } from '../model/data/product.ts'
import type { AwaitedEvent, WaitForEvent } from '../model/events/awaited-event.ts'
import type { WaitForBatch } from '../model/gateway/collected-call.ts'
import type { mediaObjectSchema } from '../model/gateway/media-object.ts'
import type { ModelCalls, ModelKind } from '../model/gateway/model-calls.ts'
import type { RunbookRequest } from '../model/runbooks/runbook-request.ts'
import type { RunbookOutcome } from '../model/runbooks/runbook-run.ts'
import type { Decision, DecisionRequest, Expiry } from '../model/runs/decision.ts'
import type { StepTools } from '../model/runs/step-tools.ts'
import type { ScriptOutcome, ScriptRequest } from '../model/scripts/script-run.ts'
import type { WaitForJob, WorkerJobRequest } from '../model/workers/worker-job-request.ts'
import type { ActivitySettings } from '../model/workflows/activity-settings.ts'
import type { Effects } from '../model/workflows/effects.ts'
import type { ParameterFault, StepParameters } from '../model/workflows/step-parameters.ts'
import type { RunStatus } from '../model/workflows/workflow.ts'

export type { OutgoingRequest, OutgoingResponse } from '../lib/net/outgoing.ts'
export type { Decision, DecisionRequest, Expiry } from '../model/runs/decision.ts'

export type Json = unknown
type Category =
  | 'text'
  | 'files'
  | 'data'
  | 'control'
  | 'models'
  | 'judge'
  | 'image'
  | 'video'
  | 'agent'
  | 'own'
  | 'workers'

/** A file that a step can read, or has made. `extension` has no dot; `size` is in bytes. */
export type MediaObject = z.infer<typeof mediaObjectSchema>

export interface FileContent {
  path: string
  name: string
  content_type: string
  size: number
  bytes(): Promise<Uint8Array>
}

/** Kinds of calls to models as a step makes them: on whose behalf is known. */
export type StepModels = {
  [Kind in Exclude<keyof ModelCalls, 'check'>]: (
    request: Parameters<ModelCalls[Kind]>[0],
    options?: Parameters<ModelCalls[Kind]>[2],
  ) => ReturnType<ModelCalls[Kind]>
}

/** The context of a step. Everything that waits, costs money or has outside effects goes through it. */
export interface ActivityContext {
  run: { key: string; trajectory_id: string; collection: string; task: string; author: string }
  step: {
    name: string
    seq: number
    /** 1-based iteration of its loop; 1 outside of loops. */
    turn: number
    attempt: number
    /** Whether an earlier attempt was cut off by the end of its process: it may have had its effect. */
    interrupted: boolean
    /** First start of this step, a crash in between included. */
    started: Date
    /** Time limit in seconds; then `signal` fires. */
    timeLimitSeconds: number
  }
  /** The same for every attempt of this step: pass it to systems that must not act twice. */
  idempotencyKey: string
  /** Fires when the run is cancelled, the step's time is over, or the server stops. */
  signal: AbortSignal
  initParams: Readonly<Record<string, Json>>
  /** The collection of the run, and who pays for it: shares of the server belong to payers. */
  owner: Owner
  /** A value of the run's environment; it is struck out of everything recorded. */
  env(name: string): string | undefined
  files: {
    /** A file of the run's collection; anything else is not found. */
    open(path: string): Promise<FileContent>
    /**
     * Keeps bytes under this run and step. The file exists for others once the step is recorded. A stream of texts is
     * never held whole.
     */
    save(file: {
      name: string
      content_type: string
      body: Uint8Array | string | AsyncIterable<string>
      /** Strikes the secrets of the run out of the bytes, as is always done with a text. */
      scrub?: boolean
    }): Promise<MediaObject>
  }
  /**
   * The trace that the step is part of, as headers of W3C for what it calls; empty if there is none. `fetch` sends them by
   * itself.
   */
  trace(): TraceHeaders
  labels: {
    /** Sets a label of a run in the run's collection. It replaces the label with the same key and author. */
    set(label: { trajectory_id: string; key: string; value: string; author: string }): Promise<void>
  }
  products: {
    /**
     * Registers a dataset or model of the run's collection as made by this run. The same again makes no new version.
     * Throws what the API answers, such as `invalid` for items that do not fit the schema.
     */
    register(product: NewProduct): Promise<RegisteredProduct>
  }
  /** Reads records of other runs of the same collection. */
  runs: {
    /**
     * Reads paths in runs; the result is in the order of both. Paths begin with a step or `init_params`. Throws
     * `output_too_large` if the result is larger than the outputs of one step may be.
     */
    read(asked: { trajectory_ids: string[]; paths: string[] }): Promise<ReadValue[][]>
    /**
     * Lists the steps of one run in order of execution; none if there is no such run. With all their outputs, or only
     * those of the last completed one. Throws as `read` does.
     */
    steps(
      trajectoryId: string,
      outputs: 'all' | 'last',
    ): Promise<{ name: string; status: string; outputs: Record<string, Json> | null }[]>
  }
  /**
   * Sends a guarded request (lib/net): public http(s) addresses only, bounded in size and time, redirects checked
   * again.
   */
  fetch(url: string, options?: OutgoingRequest): Promise<OutgoingResponse>
  /** Sends one statement to a database outside, guarded as `fetch` is. Close it in any case. */
  sql(statement: Omit<OutgoingSql, 'signal' | 'allowedHosts'>): Promise<OpenSql>
  /** Reads the decision about this step; undefined while it may still wait. An `expiry` in the past decides it. */
  decision(expiry: Expiry | null): Promise<Decision | undefined>
  /** Queues a job for a worker, or returns its outputs; undefined while it may still wait. Throws its failure. */
  workerJob(request: WorkerJobRequest): Promise<Record<string, Json> | undefined>
  /** Reads what came of this step's wait for an event; undefined while it may still wait. A time in the past ends it. */
  event(expiresAt: Date | null): Promise<AwaitedEvent | undefined>
  /** Calls to models, with the keys of the run's environment; `options` override what that and the model's name say. */
  models: StepModels
  /** Only for an activity with `offersTools`, in a step that has some. */
  tools?: StepTools<WaitForRuns<never>> | undefined
  /** Lets a coding agent carry a runbook out in a sandbox; what happens meanwhile is seen on the trajectory. */
  carryOutRunbook(request: RunbookRequest): Promise<RunbookOutcome>
  /** Runs a script in a fresh sandbox, with the time and files of the step. */
  runScript(request: ScriptRequest): Promise<ScriptOutcome>
  /**
   * Reserves memory for something large that the activity is about to make, until its step is recorded. Undefined if it
   * is available at once. Throws or rejects with `too_large` for more than there can ever be.
   */
  room(bytes: number): Promise<void> | undefined
  /**
   * Records that this attempt has begun, before an effect that must not happen twice: after a crash from here on,
   * the next attempt is `interrupted`.
   */
  recordStart(): Promise<void>
  /** The server's settings for all steps. */
  settings: ActivitySettings
  /** A warning event on the trajectory. */
  warn(message: string, attributes?: Record<string, Json>): void
  /** A line in the log of the step. */
  log(level: 'debug' | 'info' | 'warning' | 'error', message: string): void
}

/** Returned instead of outputs: wait until `until`, out of memory if that is long, then record `outputs`. */
export class WaitUntil<Outputs = Record<string, Json>> {
  readonly until: Date
  readonly outputs: Outputs
  constructor(until: Date, outputs: Outputs) {
    this.until = until
    this.outputs = outputs
  }
}

/** A run that a step has started, once it has ended. */
export interface ChildRun {
  trajectory_id: string
  /** `collection/task`. */
  name: string
  status: RunStatus
  /** 0-based, in the order of the items. */
  index: number
  error: string | null
}

/** Runs of a task of the same collection, one an item, that a step starts and waits for. */
export interface ChildRuns {
  /** Name of the task. */
  task: string
  count: number
  /** Set if only the run of this index is started now: those before it were started by earlier waits of the step. */
  onlyIndex?: number
  /** Parameters that are merged over the task's own `init_params`. */
  initParams(index: number): Record<string, Json>
  /** Maximum child runs that execute at once, over all processes. */
  maxConcurrency: number
  /** True if all steps of the run with this option share the limit. */
  sharesConcurrency: boolean
  /**
   * True if the other runs continue after a failure. Otherwise the first failure fails the step, and runs that have not
   * begun are cancelled.
   */
  continueOnError: boolean
  /** Time at which open child runs are cancelled; null: never. */
  until: Date | null
  /** Labels that each of them has from its start, by its author. */
  labels: Record<string, string>
}

/**
 * Returned instead of outputs: start these child runs, wait for them without a slot, then record the result of
 * `outputs`.
 */
export class WaitForRuns<Outputs = Record<string, Json>> {
  readonly runs: ChildRuns
  readonly outputs: (ended: ChildRun[]) => Outputs | Promise<Outputs>
  /** True if the activity runs again after the wait, instead of ending with the outputs. */
  readonly again: boolean
  /** Takes the reason why none could be started; without it the step fails. */
  readonly refused: ((error: AppError) => Promise<void>) | undefined
  constructor(
    runs: ChildRuns,
    outputs: WaitForRuns<Outputs>['outputs'],
    { again = false, refused }: { again?: boolean; refused?: WaitForRuns['refused'] } = {},
  ) {
    this.runs = runs
    this.outputs = outputs
    this.again = again
    this.refused = refused
  }
}

/** Returned instead of outputs: the step has failed for good, and these outputs and the files it kept are recorded all the same. */
export class FailedWith<Outputs = Record<string, Json>> {
  readonly error: AppError
  readonly outputs: Outputs
  constructor(error: AppError, outputs: Outputs) {
    this.error = error
    this.outputs = outputs
  }
}

/** Returned instead of outputs: wait for a decision or its expiry, out of memory; then the activity runs again. */
export class WaitForDecision {
  readonly asked: DecisionRequest
  constructor(asked: DecisionRequest) {
    this.asked = asked
  }
}

/** The results of an activity: outputs, something to wait for, or a failure with outputs. */
export type ActivityResult<Outputs = Record<string, Json>> =
  | Outputs
  | WaitUntil<Outputs>
  | WaitForRuns<Outputs>
  | WaitForDecision
  | WaitForJob
  | WaitForEvent
  | WaitForBatch
  | FailedWith<Outputs>

/** The outputs that a result carries, once it has any. */
type OutputsIn<Result> = Result extends WaitForDecision | WaitForJob | WaitForEvent | WaitForBatch
  ? never
  : Result extends WaitUntil<infer Outputs> | WaitForRuns<infer Outputs> | FailedWith<infer Outputs>
    ? Outputs
    : Result

/** Names of outputs that a result carries and its activity does not declare. */
type UndeclaredOutputs<Outputs, Result> =
  OutputsIn<Result> extends infer Given ? (Given extends unknown ? Exclude<keyof Given, keyof Outputs> : never) : never

/** The value of a path in another run, or why there is none. */
export type ReadValue = { found: true; value: Json } | { found: false; reason: string }

/** Whether an activity may have outputs beside the declared ones. */
export const hasOpenOutputs = ({ outputs: { def } }: Pick<Activity, 'outputs'>): boolean =>
  def.catchall !== undefined && def.catchall._zod.def.type !== 'never'

/** Finds the fault of each text, undefined for none; `unread` are those that the time did not suffice for. */
export type FindTextFaults = (
  texts: readonly string[],
  scope: { owner: Owner; settings: ActivitySettings },
) => Promise<{ faults: ReadonlyMap<string, string | undefined>; unread: ReadonlySet<string> }>

export interface Activity {
  name: string
  category: Category
  description: string
  /** One zod object: the parameters by name, each with `.describe()`. Absent and null count as not set. */
  parameters: z.ZodObject
  outputs: z.ZodObject
  /** A step config that works. */
  example: Record<string, Json>
  gotchas: string[]
  /**
   * Whether an optional parameter that leads to nothing stays unset, and an unknown one is ignored, each with a warning.
   * Definitions for the hosted service rely on both, so its activities are lenient. In others both are faults.
   */
  lenient: boolean
  /**
   * Parameters in whose objects every key that ends in `_path` is a reference. In other objects it is one if its value
   * is a path with a known root.
   */
  nested: string[]
  /** Parameters whose objects have names of their own, so that no key in them is a reference. */
  names: string[]
  /** Parameters in whose members a text that is only `{{path}}` gives the value itself instead of its text. */
  typed: string[]
  /** Parameters that are used as written, without templates and paths. */
  literal: string[]
  /** Static arrays in which elements that parse as a path with a known root are resolved. */
  pathsInArrays: string[]
  /** Parameters whose text is a reference if it is a path with a known root, such as `env.NAME`. */
  references: string[]
  /** Takes parameters it does not declare (they are passed on under `extra`), instead of a warning each. */
  takesAnyParameter: boolean
  /** Parameters that hold a credential: recorded as `***`, wherever their value came from. */
  secret: string[]
  /**
   * The kind of call to the model that its parameter `model` names, and the provider if `model_provider` cannot name
   * it. A run with a model that no provider serves is refused before its first step.
   */
  asks: { kind: ModelKind; provider?: string } | undefined
  /** The output that fits the parameter `output_schema`. If the outputs are open, its members are outputs too. */
  structuredOutput: string | undefined
  /** Whether outputs depend on parameters alone. Such an activity has no effects, and a replay executes it. */
  pure: boolean
  /**
   * What it does outside of the run: `reads`, or `writes` what a second execution would do twice, such as sending a mail or
   * asking a person. Models and child runs do not count. A trial of another version executes no step that writes, see
   * `withheldEffect`; the option `effects` of a step overrides it.
   */
  effects: Effects | ((parameters: Record<string, Json>) => Effects)
  /** Which output selects the next step: `branch` of a branch, `done` of a loop's counter. */
  steers: 'branch' | 'loop' | undefined
  /**
   * Whether it runs a runbook; its parameters are then those of one. The runbook is checked before the run begins. It
   * keeps its own time limit, and when its run ends early it may finish storing its results.
   */
  carriesOut: 'runbook' | undefined
  /**
   * Whether it runs a script in a sandbox, and reads the variables that its parameter `env` names. Before the run begins
   * it is checked that there is a sandbox. When its run ends early it may finish storing its files.
   */
  inSandbox: boolean
  /** Names that users of other systems look for: an unknown activity of such a name is answered with this one. */
  alsoCalled: string[]
  /** The parameter that names the task whose runs it starts. */
  startsTask: string | undefined
  /** Whether its parameter `tools` lists activities and tasks that its model may call. */
  offersTools: boolean
  /** Whether it can wait without a slot, so that it is no tool of a model. */
  waits: boolean
  /** Finds faults of several parameters together, for a dry check; `run` finds them too. */
  findFaults: ((given: StepParameters) => ParameterFault[]) | undefined
  /**
   * The parameter whose text takes long to read, and what finds the faults of such texts in a process with limits. The
   * schema of the parameter does not read them.
   */
  reads: { parameter: string; findFaults: FindTextFaults } | undefined
  /** Default time limit; a declared `timeout_sec` parameter of the step config wins. */
  timeoutSeconds: number | undefined
  /** File of JETTY_ACTIVITIES_DIR that declares it; undefined if it comes with the server. */
  module: string | undefined
  run(parameters: Record<string, Json>, context: ActivityContext): Promise<ActivityResult>
}

type Optional =
  | 'gotchas'
  | 'lenient'
  | 'nested'
  | 'names'
  | 'typed'
  | 'literal'
  | 'pathsInArrays'
  | 'references'
  | 'takesAnyParameter'
  | 'secret'
  | 'asks'
  | 'structuredOutput'
  | 'pure'
  | 'effects'
  | 'steers'
  | 'carriesOut'
  | 'inSandbox'
  | 'alsoCalled'
  | 'startsTask'
  | 'offersTools'
  | 'waits'
  | 'findFaults'
  | 'reads'
  | 'timeoutSeconds'
  | 'module'

/**
 * Declares an activity. Validation, `GET /step-templates`, forms and the reference page follow from it, and the schemas
 * type `run`: a parameter that is not declared, or an output that is missing, undeclared or of another type, is a compile
 * error.
 */
export const activity = <
  Parameters extends z.ZodObject,
  Outputs extends z.ZodObject,
  Result extends ActivityResult<z.input<Outputs>>,
>(
  definition: Omit<Activity, 'parameters' | 'outputs' | 'run' | Optional> &
    Partial<Pick<Activity, Optional>> & {
      parameters: Parameters
      outputs: Outputs
      run(
        parameters: z.output<Parameters> & { extra?: Record<string, Json> },
        context: ActivityContext,
      ): Promise<Result & { [Name in UndeclaredOutputs<z.input<Outputs>, Result>]: never }>
    },
): Activity => ({
  gotchas: [],
  lenient: false,
  nested: [],
  names: [],
  typed: [],
  literal: [],
  pathsInArrays: [],
  references: [],
  takesAnyParameter: false,
  secret: [],
  asks: undefined,
  structuredOutput: undefined,
  pure: false,
  effects: 'none',
  steers: undefined,
  carriesOut: undefined,
  inSandbox: false,
  alsoCalled: [],
  startsTask: undefined,
  offersTools: false,
  waits: false,
  findFaults: undefined,
  reads: undefined,
  timeoutSeconds: undefined,
  module: undefined,
  ...definition,
  run: definition.run as unknown as Activity['run'],
})

export type ActivityRegistry = ReadonlyMap<string, Activity>
