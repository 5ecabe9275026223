import { bool, int, moment, query, type Row, text } from '../database/table.ts'

/** A record of a chat step with tools; `call` is JSON text. */
const stepCall = { n: int, at: moment, call: text }

/** Reads all records of a step in order. */
export const readStepCalls = query(
  'read_step_calls',
  stepCall,
  'select n, at, call from step_calls where run_id = $1 and seq = $2 order by n',
  (runKey: string, seq: number) => [runKey, seq],
)

/** Bytes after which a page ends; one record alone may be larger. */
const pageBytes = 2 * 1024 * 1024

const callsAfter = query(
  'step_calls_after',
  { ...stepCall, fits: bool },
  `with page as materialized (
       select n, at, octet_length(call) bytes from step_calls
       where run_id = $1 and seq = $2 and n > $3 order by n limit $4 + 1),
     sized as (select n, at, sum(bytes) over (order by n) - bytes < $5 and row_number() over (order by n) <= $4 fits from page)
     select s.n, s.at, s.fits, case when s.fits then c.call end as call
     from sized s join step_calls c on c.run_id = $1 and c.seq = $2 and c.n = s.n order by s.n`,
  (at: { runKey: string; seq: number; after: number; limit: number }) => [
    ...[at.runKey, at.seq, at.after, at.limit, pageBytes],
  ],
)

/** Reads a page of the records of a step after the number `after`, and says whether more follow. */
export const stepCallsAfter = async (
  ...given: Parameters<typeof callsAfter>
): Promise<{ calls: Row<typeof stepCall>[]; hasMore: boolean }> => {
  const rows = await callsAfter(...given)
  const end = rows.findIndex(({ fits }) => !fits)
  return end < 0 ? { calls: rows, hasMore: false } : { calls: rows.slice(0, end), hasMore: true }
}
