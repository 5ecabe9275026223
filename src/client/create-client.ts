import { AppError, type ErrorCode } from '../lib/errors.ts'
import type { RunEvent } from '../model/runs/run-events.ts'
import type { Step } from '../model/runs/step.ts'
import type { Trajectory, WorkflowResponse } from '../model/runs/trajectory.ts'
import type { UploadedFile } from '../model/upload.ts'
import { type Connection, makeCaller } from './caller.ts'
import type { FilePart } from './client.ts'
import { type CallOptions, type Client, makeClient } from './client.ts'
import { type FollowedEvent, follow } from './follow.ts'
import { clientVersion, wireOperations } from './wire-operations.ts'

/** Types of one task: parameters of a run, outputs of each step by its name, and outputs of the last step. */
export interface TaskType {
  params: object
  steps: object
  outputs: unknown
}

/** Types of tasks by `collection/task`, as `jetty types` writes them. */
export type TaskTypes<Tasks> = { [Name in keyof Tasks]: TaskType }

/** The tasks of a client for which no types were generated: any name, any parameters. */
export interface AnyTasks {
  [name: string]: { params: Record<string, unknown>; steps: Record<string, unknown>; outputs: Record<string, unknown> }
}

/** Names a run: the answer of a start, a trajectory, or its three parts. */
export interface RunReference {
  collection: string
  task: string
  trajectory_id: string
}

type StepOf<Outputs> = Omit<Step, 'outputs'> & { outputs: Outputs }

type TypedRun<Task extends TaskType> = Omit<Trajectory, 'steps' | 'status' | 'init_params'> & {
  init_params: Task['params']
  /** Steps that were executed; branches leave steps out. */
  steps: { [Name in keyof Task['steps']]?: StepOf<Task['steps'][Name]> }
}

/** A run that has ended. `outputs` are those of its last step, and only of a completed run. */
export type FinishedRun<Task extends TaskType> =
  | (TypedRun<Task> & { status: 'completed'; outputs: Task['outputs'] })
  | (TypedRun<Task> & { status: 'failed' | 'cancelled' | 'archived'; outputs: null })

/**
 * Whether something thrown is an error of the server or the connection, and has one of these codes where any are given.
 *
 * @example
 * try {
 *   await jetty.getTask({ params: { collection: 'demo', task: 'none' } })
 * } catch (error) {
 *   if (!isJettyError(error, 'not_found')) throw error
 * }
 */
export const isJettyError = <Code extends ErrorCode>(
  error: unknown,
  ...codes: Code[]
): error is AppError & { code: Code } =>
  error instanceof AppError && (codes.length === 0 || (codes as ErrorCode[]).includes(error.code))

export { AppError as JettyError, type ErrorCode } from '../lib/errors.ts'
export type { RunEvent } from '../model/runs/run-events.ts'
export type { Connection } from './caller.ts'
export type { CallOptions, Client, FilePart } from './client.ts'
export type { FollowedEvent } from './follow.ts'

/** Options of a start. */
export interface StartOptions extends CallOptions {
  /** Files of the run, sent with its start. */
  files?: FilePart[]
  /** Environment variables for this run only; stored encrypted. */
  secrets?: Record<string, string>
  /** The same key never starts a second run. Default: a random one, so that a retry after a lost connection is safe. */
  idempotencyKey?: string
  /** Receives each event while `runAndWait` waits. */
  onEvent?: (event: RunEvent) => void
}

/** Calls that start runs of tasks and follow them. */
export interface RunCalls<Tasks extends TaskTypes<Tasks>> {
  /**
   * Starts a run and returns as soon as the server has stored it.
   *
   * @example
   * const { trajectory_id } = await jetty.run('demo/hello', { name: 'moon' })
   */
  run<Name extends keyof Tasks & string>(
    task: Name,
    params: Tasks[Name]['params'],
    options?: StartOptions,
  ): Promise<WorkflowResponse>
  /**
   * Starts a run and waits until it has ended, also over lost connections. A failed run is an answer, not an error.
   *
   * @example
   * const run = await jetty.runAndWait('demo/hello', { name: 'moon' })
   * if (run.status === 'completed') console.log(run.outputs)
   * else console.error(run.error)
   */
  runAndWait<Name extends keyof Tasks & string>(
    task: Name,
    params: Tasks[Name]['params'],
    options?: StartOptions,
  ): Promise<FinishedRun<Tasks[Name]>>
  /**
   * Yields the events of a run until it has ended, and reconnects after a break with Last-Event-ID. Leaving the loop
   * closes the connection.
   *
   * @example
   * for await (const event of jetty.followRun(run)) {
   *   if (event.event === 'step') console.log(event.data.key, event.data.status)
   * }
   */
  followRun(run: RunReference, options?: FollowRunOptions): AsyncGenerator<RunEvent & { id: string | undefined }>
  /**
   * Yields the events of a collection until it is deleted or `signal` fires: `open` at first, then `run` for each change
   * of a run, `approval`, `removed`. It reconnects like `followRun`.
   *
   * @example
   * for await (const { event, data } of jetty.followCollection('demo', { signal })) console.log(event, data)
   */
  followCollection(collection: string, options?: FollowRunOptions): AsyncGenerator<FollowedEvent>
}

export interface FollowRunOptions {
  signal?: AbortSignal
  /** Starts after this event id. Default: with a snapshot of the run. */
  after?: string
  /** Gives up when no server answers for this long. Default: 60,000. */
  patienceMs?: number
  /** Receives the reason of each reconnect. */
  onBreak?: (error: unknown) => void
}

const placeOf = (task: string): { collection: string; task: string } => {
  const at = task.indexOf('/')
  if (at < 1 || at === task.length - 1) {
    throw new TypeError(`Expected a task as collection/task, got ${JSON.stringify(task)}`)
  }
  return { collection: task.slice(0, at), task: task.slice(at + 1) }
}

const outputsOf = ({ status, steps }: Trajectory): unknown =>
  status === 'completed' ? (Object.values(steps).findLast((step) => step.status !== 'skipped')?.outputs ?? {}) : null

/** Makes the calls of `RunCalls` out of a client. */
export const makeRunCalls = <Tasks extends TaskTypes<Tasks>>(client: Client): RunCalls<Tasks> => {
  const run: RunCalls<Tasks>['run'] = (task, params, options = {}) => {
    const { files, secrets, idempotencyKey, headers, signal, onProgress } = options
    return client.runTask({
      params: placeOf(task),
      body: { init_params: params as Record<string, unknown>, ...(secrets && { secret_params: secrets }) },
      ...(files && { files }),
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
      headers: { ...headers, ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }) },
    })
  }

  const followRun: RunCalls<Tasks>['followRun'] = ({ collection, task, trajectory_id }, options = {}) => {
    const { signal = new AbortController().signal, ...others } = options
    const params = { collection, task, trajectory_id }
    const open = (headers: Record<string, string>, aborted: AbortSignal) =>
      client.watchTrajectory({ params, headers, signal: aborted })
    return follow<RunEvent & { id: string | undefined }>(open, { signal, ...others })
  }

  const followCollection: RunCalls<Tasks>['followCollection'] = (collection, options = {}) => {
    const { signal = new AbortController().signal, ...others } = options
    const open = (headers: Record<string, string>, aborted: AbortSignal) =>
      client.watchCollection({ params: { collection }, headers, signal: aborted })
    return follow(open, { signal, ...others })
  }

  const runAndWait = async <Name extends keyof Tasks & string>(
    task: Name,
    given: Tasks[Name]['params'],
    options: StartOptions = {},
  ): Promise<FinishedRun<Tasks[Name] & TaskType>> => {
    const { signal, onEvent } = options
    const { trajectory_id } = await run(task, given, options)
    const params = { ...placeOf(task), trajectory_id }
    for await (const event of followRun(params, signal ? { signal } : {})) onEvent?.(event)
    signal?.throwIfAborted()
    const ended = await client.getTrajectory({ params, ...(signal && { signal }) })
    return { ...ended, outputs: outputsOf(ended) } as unknown as FinishedRun<Tasks[Name] & TaskType>
  }

  return { run, runAndWait, followRun, followCollection }
}

/** Options of an upload. */
export interface UploadOptions extends CallOptions {
  /** Needed where the key covers several collections. */
  collection?: string
  /** Default: the name of a `File`, else `file`. */
  name?: string
}

/** A client of a server: a function for each operation, and calls that take several requests. */
export type JettyClient<Tasks extends TaskTypes<Tasks> = AnyTasks> = Client &
  RunCalls<Tasks> & {
    /**
     * Uploads a file; a run reads it by its path.
     *
     * @example
     * const { path } = await jetty.upload(file, { onProgress: (sent, total) => show(sent / total) })
     * await jetty.runAndWait('demo/read', { file_paths: [path] })
     */
    upload(content: Blob, options?: UploadOptions): Promise<UploadedFile>
  }

const isNode = typeof process === 'object' && process.versions?.node !== undefined

const nameOf = (content: Blob): string =>
  'name' in content && typeof content.name === 'string' && content.name !== '' ? content.name : 'file'

/**
 * Makes a typed client of a server, in Node, browsers and workers. Errors are `JettyError`s with the `code` and `hint` of
 * the server. Reads and calls with an idempotency key are retried; those that start something get a random key.
 * `Tasks` are the types that `jetty types` writes; without them any task takes any parameters.
 *
 * @example
 * import { createClient } from 'jetty-server/client'
 * import type { Tasks } from './jetty.js'
 *
 * const jetty = createClient<Tasks>({ url: 'http://localhost:7070', token: process.env.JETTY_API_TOKEN })
 * const run = await jetty.runAndWait('demo/hello', { name: 'moon' })
 */
export const createClient = <Tasks extends TaskTypes<Tasks> = AnyTasks>(connection: Connection): JettyClient<Tasks> => {
  // Browsers set their own User-Agent; another one would cost a preflight request.
  const agent = isNode ? { agent: `jetty-client/${clientVersion}` } : {}
  const url = connection.url.replace(/\/+$/, '')
  const caller = makeCaller(wireOperations, { ...agent, retries: 'all', ...connection, url })
  const client = makeClient(wireOperations, caller)
  const upload: JettyClient['upload'] = (content, { collection, name = nameOf(content), ...options } = {}) =>
    client.uploadFile({ ...options, body: { collection }, files: [{ field: 'file', name, content }] })
  return { ...client, ...makeRunCalls<Tasks>(client), upload }
}
