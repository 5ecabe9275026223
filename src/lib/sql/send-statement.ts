/** Statements of the extended protocol whose rows are read as they arrive: pg itself collects all of them. */
import type { Socket } from 'node:net'
import type pg from 'pg'
import { AppError, messageOf } from '../errors.ts'
import { isDeeperThan, maxJsonDepth } from '../json/json-text.ts'
import { byteSize } from '../settings/byte-size.ts'
import type { OutgoingSql, SqlColumn, SqlOutcome } from './statement.ts'

/** Rows on their way from a connection to a reader; the connection waits while the reader is behind. */
interface RowQueue {
  add(row: unknown[], bytes: number): void
  end(): void
  fail(error: unknown): void
  /** All rows that have arrived, again and again until the end. Throws what `fail` was given. */
  rows: AsyncIterable<unknown[][]>
}

const bufferedBytes = 256 * 1024

export const makeRowQueue = (connection: { pause(): void; resume(): void }): RowQueue => {
  let waiting: unknown[][] = []
  let bytes = 0
  let failure: { error: unknown } | undefined
  let isOver = false
  let wake = nothing

  const read = async function* () {
    for (;;) {
      if (failure) throw failure.error
      if (waiting.length > 0) {
        const batch = waiting
        waiting = []
        bytes = 0
        yield batch
      } else if (isOver) return
      else {
        connection.resume()
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  }
  return {
    rows: read(),
    add(row, size) {
      waiting.push(row)
      bytes += size
      if (bytes > bufferedBytes) connection.pause()
      wake()
    },
    end() {
      isOver = true
      connection.resume() // the answer to the next statement comes here, too
      wake()
    },
    fail(error) {
      failure ??= { error }
      connection.resume() // what comes after it must be read, too
      wake()
    },
  }
}

/** The types of PostgreSQL that have a counterpart in JSON, or another form than their text, by OID. */
const typesByOid: Record<number, string> = {
  16: 'bool',
  17: 'bytea',
  20: 'int8',
  21: 'int2',
  23: 'int4',
  25: 'text',
  26: 'oid',
  114: 'json',
  700: 'float4',
  701: 'float8',
  1042: 'bpchar',
  1043: 'varchar',
  1082: 'date',
  1083: 'time',
  1114: 'timestamp',
  1184: 'timestamptz',
  1186: 'interval',
  1700: 'numeric',
  2950: 'uuid',
  3802: 'jsonb',
}

/** Arrays of those types, by OID. */
const elementsByOid: Record<number, number> = {
  ...{ 1000: 16, 1001: 17, 1016: 20, 1005: 21, 1007: 23, 1009: 25, 1028: 26, 199: 114, 1021: 700, 1022: 701 },
  ...{ 1014: 1042, 1015: 1043, 1182: 1082, 1183: 1083, 1115: 1114, 1185: 1184, 1187: 1186, 1231: 1700, 2951: 2950 },
  ...{ 3807: 3802 },
}

/** Name of a type: `int4`, `text[]`, or `oid 16402` for one of the database's own. */
export const typeName = (oid: number): string => {
  const element = elementsByOid[oid]
  if (element !== undefined) return `${typesByOid[element]}[]`
  return typesByOid[oid] ?? `oid ${oid}`
}

/** A number if JSON keeps each digit of it, otherwise the text. */
const exactNumber = (text: string): number | string => {
  const digits = text.replace(/^-/, '').replace('.', '').replace(/^0+/, '').length
  return digits <= 15 && Number.isFinite(Number(text)) ? Number(text) : text
}

const safeInteger = (text: string): number | string => (Number.isSafeInteger(Number(text)) ? Number(text) : text)

const floating = (text: string): number | string => (Number.isFinite(Number(text)) ? Number(text) : text)

const dateTime = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?([+-]\d\d(?::\d\d)?)?$/

/** ISO 8601; with a zone in UTC, microseconds kept. Years beyond four digits and infinity stay as they are. */
const isoTime = (text: string): string => {
  const [, day, time, fraction = '', zone] = dateTime.exec(text) ?? []
  if (day === undefined) return text
  if (zone === undefined) return `${day}T${time}${fraction}`
  const utc = new Date(`${day}T${time}${zone.length === 3 ? `${zone}:00` : zone}`)
  return Number.isNaN(utc.getTime()) ? text : `${utc.toISOString().slice(0, 19)}${fraction}Z`
}

const parseJson = (text: string): unknown => {
  if (isDeeperThan(text, maxJsonDepth)) throw new Error(`JSON that is nested deeper than ${maxJsonDepth} levels`)
  return JSON.parse(text)
}

const decoders: Record<string, (text: string) => unknown> = {
  bool: (text) => text === 't',
  bytea: (text) => Buffer.from(text.slice(2), 'hex').toString('base64'),
  int8: safeInteger,
  int2: Number,
  int4: Number,
  oid: Number,
  json: parseJson,
  jsonb: parseJson,
  float4: floating,
  float8: floating,
  timestamp: isoTime,
  timestamptz: isoTime,
  numeric: exactNumber,
}

/** More than PostgreSQL has; a hostile server may nest without end. */
const mostDimensions = 16

/** Reads the text form of an array: `{1,NULL,"a,b",{…}}`. */
const readArray = (text: string, element: (text: string) => unknown): unknown => {
  let at = text.startsWith('[') ? text.indexOf('=') + 1 : 0 // lower bounds that are not 1
  const quoted = (): string => {
    let value = ''
    for (at += 1; at < text.length && text[at] !== '"'; at += 1) {
      if (text[at] === '\\') at += 1
      value += text[at] ?? ''
    }
    at += 1
    return value
  }
  const list = (depth: number): unknown[] => {
    if (depth > mostDimensions) throw new Error('an array with too many dimensions')
    const items: unknown[] = []
    for (at += 1; at < text.length && text[at] !== '}'; ) {
      if (text[at] === '{') items.push(list(depth + 1))
      else if (text[at] === '"') items.push(element(quoted()))
      else {
        const from = at
        while (at < text.length && text[at] !== ',' && text[at] !== '}') at += 1
        const plain = text.slice(from, at)
        items.push(plain === 'NULL' ? null : element(plain))
      }
      if (text[at] === ',') at += 1
    }
    at += 1
    return items
  }
  return text[at] === '{' ? list(1) : text
}

const asItIs = (text: string): string => text

/** A function that reads values of a type; types of the database's own stay text. */
export const decoderOf = (oid: number): ((text: string) => unknown) => {
  const element = elementsByOid[oid]
  if (element !== undefined) {
    const decode = decoders[typesByOid[element] ?? ''] ?? asItIs
    return (text) => readArray(text, decode)
  }
  return decoders[typesByOid[oid] ?? ''] ?? asItIs
}

const isJsonOrText = (oid: number): boolean => /^(json|jsonb|text|varchar|bpchar)$/.test(typesByOid[oid] ?? '')

const arrayText = (items: readonly unknown[], elementOid: number | undefined): string =>
  `{${items
    .map((item) => {
      if (item === null || item === undefined) return 'NULL'
      if (Array.isArray(item) && !/^jsonb?$/.test(typesByOid[elementOid ?? 0] ?? '')) return arrayText(item, elementOid)
      return `"${scalarText(item).replace(/["\\]/g, '\\$&')}"`
    })
    .join(',')}}`

const scalarText = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)

/** The text of a value for a parameter of a type: lists are arrays, or JSON where that is expected. */
export const encodeParameter = (value: unknown, oid: number): string | null => {
  if (value === null || value === undefined) return null
  if (/^jsonb?$/.test(typesByOid[oid] ?? '')) return JSON.stringify(value)
  if (Array.isArray(value) && !isJsonOrText(oid)) return arrayText(value, elementsByOid[oid])
  return scalarText(value)
}

/** What pg's connection has, beside its declared type. */
interface ProtocolConnection {
  stream: Socket
  parse(query: { text: string; name: string; types: number[] }): void
  describe(what: { type: 'S'; name: string }): void
  bind(what: { portal: string; statement: string; values: (string | null)[] }): void
  execute(what: { portal: string; rows: number }): void
  flush(): void
  sync(): void
  sendCopyFail(reason: string): void
  once(event: 'parameterDescription', listener: (message: { dataTypeIDs: number[] }) => void): void
  once(event: 'noData', listener: () => void): void
}

/** What pg calls on a query while it is the active one. */
interface ProtocolQuery extends pg.Submittable {
  handleParseComplete(): void
  handleRowDescription(message: { fields: { name: string; dataTypeID: number }[] }): void
  handleDataRow(message: { fields: (string | null)[] }): void
  handlePortalSuspended(): void
  handleEmptyQuery(): void
  handleCommandComplete(message: { text: string }): void
  handleCopyInResponse(): void
  handleCopyData(): void
  handleReadyForQuery(): void
  handleError(error: Error): void
}

/** A statement that the server has accepted. */
interface SentStatement {
  columns: SqlColumn[]
  rows: AsyncIterable<unknown[][]>
  /** How it ended, once all rows were read. */
  outcome: SqlOutcome
}

/** A statement on its way. */
export interface Sending {
  /** Resolves when the server has described the columns; rejects if it refuses the statement. */
  accepted: Promise<SentStatement>
  /** Ends it with an error. */
  fail(error: unknown): void
  /** Whether the server still works on it. */
  isRunning(): boolean
}

const rowOverhead = 16
const nothing = (): void => {}

const ignored = {
  handleParseComplete: nothing,
  handlePortalSuspended: nothing,
  handleEmptyQuery: nothing,
  handleCopyData: nothing,
}

const affectedBy = (tag: string): number => Number(/^(?:INSERT \d+|UPDATE|DELETE|MERGE) (\d+)$/.exec(tag)?.[1] ?? 0)

const tooManyBytes = (maxBytes: number): AppError =>
  new AppError('too_large', `The result has more than ${byteSize(maxBytes)}`, {
    hint: 'Select fewer rows or columns, or raise max_bytes.',
  })

const wrongCount = (wanted: number, given: number): AppError =>
  new AppError('parameter_invalid', `The statement has ${wanted} parameters, and ${given} are given`)

type Bounds = Pick<OutgoingSql, 'maxRows' | 'maxBytes'>

/** Decodes rows and counts them: rows above the bound are left out, bytes above it are a failure. */
const makeRowReader = ({ maxRows, maxBytes }: Bounds, outcome: SqlOutcome) => {
  let decoders: ((text: string) => unknown)[] = []
  let bytes = 0
  let count = 0
  const decode = (field: string | null, at: number): unknown => (field === null ? null : decoders[at]?.(field))
  return {
    describe(types: number[]) {
      decoders = types.map(decoderOf)
    },
    read(fields: (string | null)[]): { row: unknown[]; bytes: number } | undefined {
      const size = fields.reduce((sum, field) => sum + (field?.length ?? 0) + rowOverhead, 0)
      bytes += size
      if (bytes > maxBytes) throw tooManyBytes(maxBytes)
      outcome.hasMore = count === maxRows
      if (outcome.hasMore) return undefined
      count += 1
      try {
        return { row: fields.map(decode), bytes: size }
      } catch (error) {
        throw new AppError('upstream_failed', `The database sent a value that cannot be read: ${messageOf(error)}`)
      }
    },
  }
}

/** What happens to a statement between its text and its last row. */
const makeExchange = (connection: ProtocolConnection, { values, ...bounds }: OutgoingSql) => {
  const queue = makeRowQueue(connection.stream)
  const outcome: SqlOutcome = { affected: 0, hasMore: false }
  const reader = makeRowReader(bounds, outcome)
  let accept: (sent: SentStatement) => void = nothing
  let refuse: (error: unknown) => void = nothing
  const accepted = new Promise<SentStatement>((resolve, reject) => {
    accept = resolve
    refuse = reject
  })
  const state = { isSynced: false, isRunning: true, hasFailed: false, types: [] as number[] }
  const sync = () => {
    if (!state.isSynced) connection.sync()
    state.isSynced = true
  }
  const fail = (error: unknown) => {
    state.hasFailed = true
    refuse(error)
    queue.fail(error)
  }
  const execute = (columns: SqlColumn[]) => {
    const { types } = state
    if (types.length !== values.length) fail(wrongCount(types.length, values.length))
    if (!state.hasFailed) {
      const encoded = values.map((value, at) => encodeParameter(value, types[at] ?? 0))
      connection.bind({ portal: '', statement: '', values: encoded })
      connection.execute({ portal: '', rows: bounds.maxRows + 1 })
      accept({ columns, rows: queue.rows, outcome })
    }
    sync()
  }
  return { accepted, queue, outcome, reader, state, sync, fail, execute }
}

/** Sends a statement. Several in one text are refused by the server: this protocol has one at a time. */
export const sendStatement = (client: pg.Client, statement: OutgoingSql): Sending => {
  const { connection } = client as unknown as { connection: ProtocolConnection }
  const { accepted, queue, outcome, reader, state, sync, fail, execute } = makeExchange(connection, statement)
  connection.once('parameterDescription', ({ dataTypeIDs }) => {
    state.types = dataTypeIDs
  })
  connection.once('noData', () => execute([]))
  client.query({
    submit() {
      connection.parse({ text: statement.text, name: '', types: [] })
      connection.describe({ type: 'S', name: '' })
      connection.flush()
    },
    handleRowDescription({ fields }) {
      reader.describe(fields.map(({ dataTypeID }) => dataTypeID))
      execute(fields.map(({ name, dataTypeID }) => ({ name, type: typeName(dataTypeID) })))
    },
    handleDataRow({ fields }) {
      try {
        const read = reader.read(fields)
        if (read) queue.add(read.row, read.bytes)
      } catch (error) {
        fail(error)
      }
    },
    handleCommandComplete({ text: tag }) {
      outcome.affected = affectedBy(tag)
    },
    handleReadyForQuery() {
      state.isRunning = false
      queue.end()
    },
    handleError(error) {
      state.isRunning = false
      fail(error)
      sync()
    },
    handleCopyInResponse: () => connection.sendCopyFail('copy is not supported'),
    ...ignored,
  } satisfies ProtocolQuery as pg.Submittable)
  return { accepted, fail, isRunning: () => state.isRunning }
}
