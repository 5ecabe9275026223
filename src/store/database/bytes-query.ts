import pg from 'pg'

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
export const queryWithBytes = <Row extends pg.QueryResultRow>(
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
