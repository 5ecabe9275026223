import { contract } from '../api/contract.ts'
import { AppError, type ErrorCode } from '../lib/errors.ts'
import { version } from '../lib/version.ts'
import type { UploadedFile } from '../model/upload.ts'
import { type Connection, makeCaller } from './caller.ts'
import { type CallOptions, type Client, makeClient } from './client.ts'
import { describeWireOperations } from './operations.ts'
import { makeRunCalls, type RunCalls } from './run-tasks.ts'
import type { AnyTasks, TaskTypes } from './task-types.ts'

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

/** The operations of the server by name. The build replaces this file by its values, which load without any schema. */
const wireOperations = describeWireOperations(contract)

/** Version of the package that this client came with. */
const clientVersion: string = version

export { AppError as JettyError, type ErrorCode } from '../lib/errors.ts'
export type { Connection } from './caller.ts'
export type { CallOptions, Client, FilePart } from './client.ts'
export type { FollowedEvent } from './follow.ts'

export type { FollowRunOptions, RunCalls, RunEvent, StartOptions } from './run-tasks.ts'
export type { AnyTasks, FinishedRun, RunReference, TaskType, TaskTypes } from './task-types.ts'

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
