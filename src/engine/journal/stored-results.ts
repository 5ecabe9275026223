import { batched } from '../../lib/batch.ts'
import type { Owner } from '../../lib/fair-queue.ts'
import { parsedMemory, textMemory } from '../../lib/memory/json-memory.ts'
import type { Queries } from '../../store/database/database.ts'
import { int, orNull, query, type Row, text } from '../../store/database/table.ts'
import { payloadText } from '../../store/runs/payloads.ts'
import type { Transfer } from './transfers.ts'

const storedResult = {
  /** JSON texts. */
  inputs: orNull(text),
  outputs: orNull(text),
  status: text,
  error: orNull(text),
  inputs_payload: orNull(text),
  outputs_payload: orNull(text),
  inputs_bytes: int,
  outputs_bytes: int,
}
/** The record of a step in the database. For large values it has the ids and sizes of their payloads. */
type StoredResult = Row<typeof storedResult>

/** Reads the record of a step. */
export type ReadStoredResult = (runKey: string, seq: number) => Promise<StoredResult | undefined>

const stepResults = query(
  'step_results',
  { ...storedResult, run_id: text, seq: int },
  `select s.run_id, s.seq, s.inputs, s.outputs, s.status, s.error, s.inputs_payload, s.outputs_payload,
         coalesce(octet_length(i.body), 0) inputs_bytes, coalesce(octet_length(o.body), 0) outputs_bytes
       from unnest($1::text[], $2::int[]) w(run_id, seq) join steps s on s.run_id = w.run_id and s.seq = w.seq
       left join payloads i on i.id = s.inputs_payload left join payloads o on o.id = s.outputs_payload`,
  (runKeys: string[], seqs: number[]) => [runKeys, seqs],
)

/** Makes a reader of step records. Runs that resume at the same time share a query. */
export const makeStoredResults = (database: Queries): ReadStoredResult => {
  const read = batched(async (wanted: { runKey: string; seq: number }[]): Promise<(StoredResult | undefined)[]> => {
    const rows = await stepResults(
      database,
      wanted.map((one) => one.runKey),
      wanted.map((one) => one.seq),
    )
    const found = new Map(rows.map((row) => [`${row.run_id} ${row.seq}`, row]))
    return wanted.map((one) => found.get(`${one.runKey} ${one.seq}`))
  }, 200)
  return (runKey, seq) => read({ runKey, seq })
}

/** The share of the memory budget that a large value is loaded into. */
export interface LoadedInto {
  readonly owner: Owner
  room(bytes: number): Promise<void> | undefined
  /** Takes what all of it may need, as a whole. */
  reserve(bytes: number): Promise<void>
  giveBack(bytes: number): void
}

/** Loads a payload once there is memory for its text and for what JSON.parse makes of it. */
export const loadPayload = async (
  { database, transfer }: { database: Queries; transfer: Transfer },
  payload: string | null,
  bytes: number,
  into: LoadedInto,
): Promise<string | null> => {
  if (payload === null) return null
  await into.room(2 * bytes) // once as text, once in the buffer of the connection
  const text = await transfer(into.owner, bytes, () => payloadText(database, payload))
  if (text === null) return null
  await into.room(parsedMemory(text))
  into.giveBack(2 * bytes - textMemory(text))
  return text
}
