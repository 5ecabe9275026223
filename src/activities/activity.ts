import type { z } from 'zod'
import type { OutgoingRequest, OutgoingResponse } from '../lib/net.ts'
import type { ActivitySettings } from '../model/activity-settings.ts'
import type { ModelCalls, ModelKind } from '../model/model-calls.ts'

export type { OutgoingRequest, OutgoingResponse } from '../lib/net.ts'

export type Json = unknown
export type Category = 'text' | 'files' | 'data' | 'control' | 'models' | 'judge' | 'image' | 'video' | 'agent'

/** A file that a step can read, or has made. `extension` has no dot; `size` is in bytes. */
export interface MediaObject {
  path: string
  name: string
  extension: string
  content_type: string
  size: number
}

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

/** What a step gets from the outside. Everything that waits, costs or touches the world goes through it. */
export interface ActivityContext {
  run: { key: string; trajectory_id: string; collection: string; task: string; author: string }
  step: {
    name: string
    seq: number
    attempt: number
    /** First start of this step, a crash in between included. */
    started: Date
    /** How long it may take; then `signal` fires. */
    timeLimitSeconds: number
  }
  /** The same for every attempt of this step: pass it on to whoever must not do a thing twice. */
  idempotencyKey: string
  /** Fires when the run is cancelled, the step's time is over, or the server stops. */
  signal: AbortSignal
  initParams: Readonly<Record<string, Json>>
  /** A value of the run's environment; it is struck out of everything recorded. */
  env(name: string): string | undefined
  files: {
    /** A file of the run's collection; anything else is not found. */
    open(path: string): Promise<FileContent>
    /** Keeps bytes under this run and step. The file exists for others once the step is recorded. */
    save(file: { name: string; content_type: string; body: Uint8Array | string }): Promise<MediaObject>
  }
  /** The guarded way out (lib/net): public http(s) only, size and time bounded, redirects re-checked. */
  fetch(url: string, options?: OutgoingRequest): Promise<OutgoingResponse>
  /** Calls to models, with the keys of the run's environment; `options` override what that and the model's name say. */
  models: StepModels
  /** The server's settings for all steps. */
  settings: ActivitySettings
  /** A warning event on the trajectory. */
  warn(message: string, attributes?: Record<string, Json>): void
}

/** Returned instead of outputs: leave memory if it is long, come back at `until`, and record `outputs` then. */
export class WaitUntil {
  readonly until: Date
  readonly outputs: Record<string, Json>
  constructor(until: Date, outputs: Record<string, Json>) {
    this.until = until
    this.outputs = outputs
  }
}

/** Old spellings of a parameter, taken with a warning when the right one is absent: `.meta({ aliases: [...] })`. */
export interface ParameterMeta {
  aliases?: string[]
}

export interface Activity {
  name: string
  category: Category
  description: string
  /** One zod object: runtime names of the parameters, each with `.describe()`; absent and null count as not given. */
  parameters: z.ZodObject
  outputs: z.ZodObject
  /** A step config that works. */
  example: Record<string, Json>
  gotchas: string[]
  /** Parameters that are objects in which keys ending `_path` are resolved too (nested objects). */
  nested: string[]
  /** Parameters whose value is taken as written: neither templates nor paths inside. */
  literal: string[]
  /** Static arrays in which elements that parse as a path with a known root are resolved. */
  pathsInArrays: string[]
  /** Takes parameters it does not declare (they are passed on under `extra`), instead of a warning each. */
  takesAnyParameter: boolean
  /** Parameters that hold a credential: recorded as `***`, wherever their value came from. */
  secret: string[]
  /**
   * What it asks the model for that its parameter `model` names, and whom, where `model_provider` cannot say it. A run
   * with a model that nobody serves is refused before its first step.
   */
  asks: { kind: ModelKind; provider?: string } | undefined
  /** Default time limit; a declared `timeout_sec` parameter of the step config wins. */
  timeoutSeconds: number | undefined
  run(parameters: Record<string, Json>, context: ActivityContext): Promise<Record<string, Json> | WaitUntil>
}

type Optional =
  | 'gotchas'
  | 'nested'
  | 'literal'
  | 'pathsInArrays'
  | 'takesAnyParameter'
  | 'secret'
  | 'asks'
  | 'timeoutSeconds'

/** Declares an activity: validation, `GET /step-templates`, forms and the reference page all follow from this. */
export const activity = <Parameters extends z.ZodObject>(
  definition: Omit<Activity, 'parameters' | 'run' | Optional> &
    Partial<Pick<Activity, Optional>> & {
      parameters: Parameters
      run(
        parameters: z.output<Parameters> & { extra?: Record<string, Json> },
        context: ActivityContext,
      ): Promise<Record<string, Json> | WaitUntil>
    },
): Activity => ({
  gotchas: [],
  nested: [],
  literal: [],
  pathsInArrays: [],
  takesAnyParameter: false,
  secret: [],
  asks: undefined,
  timeoutSeconds: undefined,
  ...definition,
  run: definition.run as Activity['run'],
})

export type ActivityRegistry = ReadonlyMap<string, Activity>
