import type { LogEvent, RunEvent } from '../model/runs/run-events.ts'
import type { Trajectory, WorkflowResponse } from '../model/runs/trajectory.ts'
import type { CallOptions, Client, FilePart } from './client.ts'
import { type FollowedEvent, follow } from './follow.ts'
import type { FinishedRun, RunReference, TaskType, TaskTypes } from './task-types.ts'

export type { LogEvent, RunEvent }

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
