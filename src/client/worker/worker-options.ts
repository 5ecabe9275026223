import type { OwnActivity } from '../../activities/own/own-activity.ts'

/** What a worker tells about itself. */
export interface WorkerLog {
  level: 'info' | 'warning' | 'error'
  message: string
  /** The job that it is about, as `collection/task/trajectory/step`. */
  job?: string
}

export interface WorkerOptions {
  /** What the worker offers. Names have a dot, such as `images.resize`. */
  activities: readonly OwnActivity[]
  /** Origin of the server. Default: `JETTY_API_URL`, or `http://localhost:7070`. */
  url?: string
  /** API key. Default: `JETTY_API_TOKEN`. */
  token?: string | undefined
  /** Default: the host name. */
  name?: string
  /** Version of the program; a run goes on with the version that it began with. */
  version?: string
  /** What steps can ask for, such as `gpu`. */
  labels?: readonly string[]
  /** Jobs at a time. Default: 4. */
  concurrency?: number
  /** Jobs at a time of single activities, by name. */
  limits?: Readonly<Record<string, number>>
  /** Time that jobs get to end after `signal`; then they go to another worker. Default: 30. */
  drainSeconds?: number
  /**
   * Longest wait of a poll, in seconds. Default: as the server says. Behind a proxy that passes answers on only when they are
   * whole: 50 at most, or less than the time after which it cuts silent connections.
   */
  pollSeconds?: number
  /** Stops the worker. Without it SIGTERM and SIGINT do so; a second one ends the process at once. */
  signal?: AbortSignal
  /** Default: lines on stderr. */
  log?: (entry: WorkerLog) => void
  /** Sends the requests instead of `fetch`. */
  fetch?: typeof fetch
}
