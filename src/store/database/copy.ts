/** COPY in both directions: pg itself only runs queries. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import pg from 'pg'
import { cutConnection, setSession } from './connection.ts'

/** What pg's connection has for COPY, beside its declared type. */
interface CopyConnection {
  stream: Socket
  query(text: string): void
  sendCopyFromChunk(chunk: Uint8Array): void
  endCopyFrom(): void
  sendCopyFail(reason: string): void
}

/** What pg calls on a query while it is the active one. */
interface CopyQuery extends pg.Submittable {
  handleRowDescription(): void
  handleDataRow(): void
  handleCopyInResponse(connection: CopyConnection): void
  handleCopyData(message: { chunk: Buffer }, connection: CopyConnection): void
  handleCommandComplete(message: { text: string }): void
  handleReadyForQuery(): void
  handleError(error: Error): void
}

/** How values become text, as pg_dump sets it: a database may have its own way, and another one may read that wrongly. */
const textFormat = { datestyle: 'ISO, YMD', intervalstyle: 'postgres', extra_float_digits: 1 }

/** Connects for statements that may take hours: without a time limit. */
export const connectForCopy = async (url: string, name: string): Promise<pg.Client> => {
  const client = new pg.Client({
    connectionString: url,
    application_name: name,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  })
  client.on('error', () => {}) // the statement under way fails with it
  await client.connect()
  await setSession(client, { statement_timeout: 0, lock_timeout: 0, idle_in_transaction_session_timeout: 0 })
  await setSession(client, textFormat)
  return client
}

const rowsOf = (message: { text: string }): number => Number(/\d+$/.exec(message.text)?.[0] ?? 0)

const nothing = (): void => {}

/** The rows of a table in the text format of COPY. */
interface CopiedRows extends AsyncIterable<Buffer> {
  /** Number of rows, once all were read. */
  readonly count: number
}

const bufferedBytes = 1024 * 1024

/** Reads the result of `copy … to stdout`. A reader that falls behind slows the server down. */
export const copyOut = (client: pg.Client, text: string): CopiedRows => {
  let count = 0
  let socket: Socket | undefined
  const rows = new Readable({
    highWaterMark: bufferedBytes,
    read: () => void socket?.resume(),
    destroy(error, done) {
      socket?.resume()
      if (!rows.readableEnded) cutConnection(client) // the rest of the rows would still arrive
      done(error)
    },
  })
  client.query({
    submit(connection: unknown) {
      socket = (connection as CopyConnection).stream
      ;(connection as CopyConnection).query(text)
    },
    handleRowDescription: nothing,
    handleDataRow: nothing,
    handleCopyInResponse: nothing,
    handleCopyData({ chunk }) {
      // Copied: pg uses its memory again for the next message.
      if (!rows.push(Buffer.from(chunk))) socket?.pause()
    },
    handleCommandComplete(message) {
      count = rowsOf(message)
    },
    handleReadyForQuery: () => void rows.push(null),
    handleError: (error) => void rows.destroy(error),
  } satisfies CopyQuery as pg.Submittable)
  return {
    get count() {
      return count
    },
    [Symbol.asyncIterator]: () => rows[Symbol.asyncIterator](),
  }
}

const sentAtOnce = 256 * 1024

const send = async (connection: CopyConnection, body: AsyncIterable<Uint8Array>, signal: AbortSignal) => {
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; at += sentAtOnce) {
      if (signal.aborted) return
      connection.sendCopyFromChunk(chunk.subarray(at, at + sentAtOnce))
      if (connection.stream.writableNeedDrain) await once(connection.stream, 'drain', { signal })
    }
  }
}

/** Sends rows to `copy … from stdin`; resolves with their number. */
export const copyIn = (client: pg.Client, text: string, body: AsyncIterable<Uint8Array>): Promise<number> =>
  new Promise((resolve, reject) => {
    const refused = new AbortController()
    let count = 0
    let failure: unknown
    client.query({
      submit: (connection: unknown) => void (connection as CopyConnection).query(text),
      handleRowDescription: nothing,
      handleDataRow: nothing,
      handleCopyData: nothing,
      handleCopyInResponse(connection) {
        send(connection, body, refused.signal).then(
          () => connection.endCopyFrom(),
          (error) => {
            failure ??= error // the reason why the rows end, and not that they do
            connection.sendCopyFail('the rows could not be read')
          },
        )
      },
      handleCommandComplete(message) {
        count = rowsOf(message)
      },
      handleReadyForQuery: () => resolve(count),
      handleError(error) {
        failure ??= error
        refused.abort()
        reject(failure)
      },
    } satisfies CopyQuery as pg.Submittable)
  })
