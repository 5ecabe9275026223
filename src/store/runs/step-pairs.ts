import { bigint, bool, float, int, orNull, pick, query, type Row, text } from '../database/table.ts'
import { steps } from './step-row.ts'

/** The steps of one name in two runs, and which parts differ. A missing side is null. */
const stepPair = {
  name: text,
  left_seq: orNull(int),
  right_seq: orNull(int),
  left_status: orNull(steps.columns.status),
  right_status: orNull(steps.columns.status),
  /** JSON text of the failure. */
  left_error: orNull(text),
  right_error: orNull(text),
  left_ms: orNull(float),
  right_ms: orNull(float),
  inputs_differ: bool,
  outputs_differ: bool,
  differs: bool,
  /** Bytes of the larger side. */
  inputs_bytes: int,
  outputs_bytes: int,
  /** Total number of pairs, and how many differ. */
  pairs: bigint,
  different: bigint,
}
export type StepPair = Row<typeof stepPair>

/** Columns of one side's step, as compared. */
const side = (run: string): string =>
  `select s.name, s.seq, s.status, s.error, coalesce(s.inputs, i.body) as inputs, coalesce(s.outputs, o.body) as outputs,
     extract(epoch from s.ended_at - s.started_at) * 1000 as ms
   from steps s left join payloads i on i.id = s.inputs_payload left join payloads o on o.id = s.outputs_payload
   where s.run_id = ${run}`

/**
 * Pairs the steps of two runs in order. Postgres compares values as text, and reads large ones only when their sizes
 * are equal. Above `limit` pairs, differing ones come first. `changed` lists steps with different configuration.
 */
export const stepPairs = query(
  'step_pairs',
  stepPair,
  `with pairs as materialized (
       select coalesce(l.name, r.name) as name, l.seq as left_seq, r.seq as right_seq, l.status as left_status,
         r.status as right_status, l.error as left_error, r.error as right_error, l.ms::float8 as left_ms,
         r.ms::float8 as right_ms, l.inputs is distinct from r.inputs as inputs_differ,
         l.outputs is distinct from r.outputs as outputs_differ,
         coalesce(greatest(octet_length(l.inputs), octet_length(r.inputs)), 0) as inputs_bytes,
         coalesce(greatest(octet_length(l.outputs), octet_length(r.outputs)), 0) as outputs_bytes
       from (${side('$1')}) l full join (${side('$2')}) r on r.name = l.name),
     judged as materialized (
       select *, inputs_differ or outputs_differ or left_status is distinct from right_status
         or left_error is distinct from right_error or name = any($3) or regexp_replace(name, '__[0-9]+$', '') = any($3)
         as differs
       from pairs)
     select * from (
       select j.*, count(*) over () as pairs, count(*) filter (where differs) over () as different
       from judged j order by differs desc, coalesce(left_seq, right_seq), left_seq nulls last limit $4) k
     order by coalesce(left_seq, right_seq), left_seq nulls last`,
  (runs: { left: string; right: string; changed: string[]; limit: number }) => [
    runs.left,
    runs.right,
    runs.changed,
    runs.limit,
  ],
)

/** A step whose values are wanted: the number of characters of each; 0 for none. */
export interface WantedValues {
  runKey: string
  seq: number
  inputs: number
  outputs: number
}

const beginnings = pick(steps.columns, ['run_id', 'seq', 'inputs', 'outputs'])
export type StepValues = Row<typeof beginnings>

/** Reads the beginnings of recorded values as JSON text. */
export const stepValues = query(
  'step_values',
  beginnings,
  `select s.run_id, s.seq,
       case when w.inputs > 0 then left(coalesce(s.inputs, i.body), w.inputs) end as inputs,
       case when w.outputs > 0 then left(coalesce(s.outputs, o.body), w.outputs) end as outputs
     from unnest($1::text[], $2::int[], $3::int[], $4::int[]) w(run_id, seq, inputs, outputs)
     join steps s on s.run_id = w.run_id and s.seq = w.seq
     left join payloads i on i.id = s.inputs_payload left join payloads o on o.id = s.outputs_payload`,
  (wanted: WantedValues[]) => [
    wanted.map((one) => one.runKey),
    wanted.map((one) => one.seq),
    wanted.map((one) => one.inputs),
    wanted.map((one) => one.outputs),
  ],
)
