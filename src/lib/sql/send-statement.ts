/** Statements of the extended protocol whose rows are read as they arrive: pg itself collects all of them. */
import type { Socket } from 'node:net'
import type pg from 'pg'
import { AppError, messageOf } from '../errors.ts'
import { byteSize } from '../settings/byte-size.ts'
import type { OutgoingSql, SqlColumn, SqlOutcome } from './outgoing-sql.ts'
import { makeRowQueue } from './row-queue.ts'
import { decoderOf, encodeParameter, typeName } from './sql-values.ts'

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
