import pg from 'pg'
import { afterAwake } from '../../lib/in-time.ts'
import { pause } from '../../lib/time.ts'
import { connectionDefaults, cutConnection, type SessionSettings, setSession } from './connection.ts'
import type { Database } from './database.ts'

/** A value of a statement as text, which may be in UTF-8 and must not hold NUL: there Postgres would end it. */
type Value = string | Buffer

interface Bind {
  portal?: string
  statement?: string
  values?: readonly Value[]
}

/** The connection of a client, as far as a query uses it. */
interface Wire {
  stream: { write(bytes: Buffer): boolean }
  bind(config: Bind): void
}

/** Format of all values and of the answer. Postgres copies a text in the binary format once more: 0.9 of 4.7 ms for 1 MB. */
const asText = 0

const int16s = (...numbers: number[]): Buffer => {
  const bytes = Buffer.allocUnsafe(numbers.length * 2)
  for (const [at, number] of numbers.entries()) bytes.writeInt16BE(number, at * 2)
  return bytes
}

const int32 = (number: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(number)
  return bytes
}

/** The Bind message of the protocol (docs: "Message Formats"), with the values as they are. */
const bindMessage = ({ portal = '', statement = '', values = [] }: Bind): Buffer[] => {
  const pieces = [
    Buffer.from(`${portal}\0${statement}\0`),
    int16s(1, asText, values.length),
    ...values.flatMap((value) => {
      const bytes = typeof value === 'string' ? Buffer.from(value) : value
      return [int32(bytes.length), bytes]
    }),
    int16s(1, asText), // every column of the answer
  ]
  const length = pieces.reduce((sum, piece) => sum + piece.length, 4)
  return [Buffer.from('B'), int32(length), ...pieces]
}

/**
 * A prepared statement whose large values are written to the socket as they are. The library copies each value twice, into
 * buffers of its size, before it writes it.
 */
class BytesQuery extends pg.Query {
  prepare(connection: Wire): void {
    const bind = (config: Bind) => {
      for (const piece of bindMessage(config)) connection.stream.write(piece) // the library has corked the stream
    }
    const prepare = Reflect.get(pg.Query.prototype, 'prepare') as (connection: Wire) => void
    prepare.call(this, Object.assign(Object.create(connection) as Wire, { bind }))
  }
}

/** Executes a prepared statement with large values. Its connection must have no statement under way that has not ended. */
const queryWithBytes = <Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  statement: { name: string; text: string; values: Value[] },
): Promise<pg.QueryResult<Row>> =>
  new Promise((resolve, reject) => {
    const query = new BytesQuery(statement)
    Object.assign(query, {
      callback: (error: Error | null, result: pg.QueryResult<Row>) => (error ? reject(error) : resolve(result)),
    })
    client.query(query)
  })

/** Syntax, cardinality, data, integrity and limit errors: the statement is at fault, not the connection. */
export const isRefused = (error: unknown): boolean =>
  /^(21|22|23|42|54)/.test((error as { code?: string } | undefined)?.code ?? '')

/** Errors of statements that had no connection to be sent on. */
const unsent = new WeakSet<object>()

/** Whether a statement that failed with this error cannot have been executed, since no connection could be opened for it. */
export const wasNeverSent = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && unsent.has(error)

/** A connection outside the pool, opened on demand and again after a loss; statements are prepared. */
export interface OwnConnection {
  rows<Row>(name: string, text: string, values?: unknown[]): Promise<Row[]>
  /** Destroys the connection: statements under way fail at once. */
  drop(): void
  close(): Promise<void>
}

/** Adds a timeout to a query. Time in which this process was suspended does not count. */
const answered = <T>(asked: Promise<T>, timeoutMs: number): Promise<T> =>
  new Promise((resolve, reject) => {
    const takeBack = afterAwake(timeoutMs, () => reject(new Error('Query read timeout')))
    // Both handlers share one `then`: this runs for every statement of the journal.
    asked.then(
      (answer) => {
        takeBack()
        resolve(answer)
      },
      (error) => {
        takeBack()
        reject(error)
      },
    )
  })

const closeMs = 1_000

/** A statement with a megabyte may take seconds where the disk is busy: that is no outage. */
const patienceMsForMib = 4_000

/** Byte values of this size together are written without a copy. */
const leastBytes = 64 * 1024

const isTextOrBytes = (value: unknown): value is string | Buffer => typeof value === 'string' || value instanceof Buffer

const bytesOf = (values: readonly unknown[]): number =>
  values.reduce<number>((sum, value) => sum + (value instanceof Uint8Array ? value.length : 0), 0)

export const makeOwnConnection = (options: {
  url: string
  /** `application_name` of the connection. */
  name: string
  session: SessionSettings
  /**
   * Timeout for connecting and for a statement, after which `drop` is due; default: the general one. Statements with large
   * byte values have longer.
   */
  timeoutMs?: number
  /** Receives the duration of each statement. */
  noteTime?: Database['noteTime']
  /** Receives the error of each statement. */
  noteFault?: Database['noteFault']
}): OwnConnection => {
  let client: pg.Client | undefined
  let connecting: Promise<pg.Client> | undefined

  const { timeoutMs } = options
  const inTime = <T>(asked: Promise<T>, bytes = 0): Promise<T> =>
    timeoutMs === undefined ? asked : answered(asked, timeoutMs + (bytes / 2 ** 20) * patienceMsForMib)

  const connect = async (): Promise<pg.Client> => {
    const fresh = new pg.Client({
      connectionString: options.url,
      application_name: options.name,
      ...connectionDefaults,
      ...(timeoutMs === undefined ? {} : { connectionTimeoutMillis: 0, query_timeout: 0 }),
    })
    fresh.on('error', () => {
      if (client === fresh) client = undefined
    })
    try {
      await inTime(fresh.connect().then(() => setSession(fresh, options.session)))
    } catch (error) {
      cutConnection(fresh)
      if (typeof error === 'object' && error !== null) unsent.add(error)
      throw error
    }
    client = fresh
    return fresh
  }

  const connected = (): Promise<pg.Client> => {
    connecting ??= connect().finally(() => {
      connecting = undefined
    })
    return connecting
  }

  return {
    async rows<Row>(name: string, text: string, values: unknown[] = []) {
      const begun = performance.now()
      try {
        const open = client ?? (await connected())
        const bytes = bytesOf(values)
        const isLarge = bytes >= leastBytes && values.every(isTextOrBytes)
        const asked = isLarge ? queryWithBytes(open, { name, text, values }) : open.query({ name, text, values })
        const { rows } = await inTime(asked, bytes)
        options.noteTime?.(name, performance.now() - begun)
        return rows as Row[]
      } catch (error) {
        options.noteFault?.(error)
        throw error
      }
    },
    drop() {
      const lost = client
      client = undefined
      if (lost) cutConnection(lost)
    },
    async close() {
      const last = client
      if (!last) return
      const takeBack = afterAwake(closeMs, () => cutConnection(last)) // a frozen server does not answer the goodbye
      await last.end().catch(() => {})
      takeBack()
    },
  }
}

/**
 * Listens on channels until the signal fires; reconnects after a lost connection. `onLost` is called when notifications may
 * get lost from now on; each channel gets an empty call when they arrive again.
 */
export const listen = async (
  database: Database,
  channels: Record<string, (payload: string) => void>,
  stopping: AbortSignal,
  onLost: () => void = () => {},
): Promise<void> => {
  while (!stopping.aborted) {
    let client: pg.Client | undefined
    try {
      client = await database.connect('jetty listener')
      const connected = client
      const real = await realNames(connected, Object.keys(channels))
      await connected.query([...real.keys()].map((name) => `listen ${connected.escapeIdentifier(name)}`).join('; '))
      // Notifications may have been missed: every channel gets an empty call.
      for (const hear of Object.values(channels)) hear('')
      await new Promise<void>((resolve) => {
        connected.on('notification', (message) => channels[real.get(message.channel) ?? '']?.(message.payload ?? ''))
        connected.on('error', () => resolve())
        connected.on('end', () => resolve())
        stopping.addEventListener('abort', () => resolve(), { once: true })
        if (stopping.aborted) resolve()
      })
      if (!stopping.aborted) onLost()
    } catch {
      // Postgres is away; the fallback polls continue meanwhile.
    }
    await client?.end().catch(() => {})
    await pause(200, stopping)
  }
}

/** Maps the schema's real channel names to ours. */
const realNames = async (client: pg.Client, names: string[]): Promise<Map<string, string>> => {
  const { rows } = await client.query<{ real: string; name: string }>(
    'select channel(name) as real, name from unnest($1::text[]) name',
    [names],
  )
  return new Map(rows.map(({ real, name }) => [real, name]))
}
