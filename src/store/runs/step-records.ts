import type { Queries } from '../database/database.ts'
import { bigint, bool, float, int, moment, orNull, pick, query, queryOne, type Row, text } from '../database/table.ts'
import { labelsText } from './labels.ts'
import { type TakeMemory, uncounted, withLargeValues } from './payloads.ts'
import { type RunRow, runs, versionNumberOf } from './runs.ts'
import { type StepRecord, type StoredStep, steps, storedStep } from './step-row.ts'

const stepColumns = `s.run_id, s.seq, s.name, s.status, s.attempt, s.inputs, s.outputs, s.inputs_payload, s.outputs_payload,
  coalesce(octet_length(i.body), 0) + coalesce(octet_length(o.body), 0) as payload_bytes,
  s.error, s.warnings, s.origin, s.usage, s.span, s.changed, s.started_at, s.wake_at, s.ended_at`
const payloads = 'left join payloads i on i.id = s.inputs_payload left join payloads o on o.id = s.outputs_payload'

/** Columns of a run that are known only after its end. */
type RunOutcome = Pick<RunRow, 'status' | 'error' | 'labels' | 'started_at' | 'ended_at'> & {
  version_number: number | null
}

const outcome = {
  ...storedStep,
  /** Null for a run without steps. */
  seq: orNull(int),
  run_status: runs.columns.status,
  run_error: orNull(text),
  run_labels: text,
  run_started: orNull(moment),
  run_ended: orNull(moment),
  run_version: orNull(int),
}
const outcomeOf = query(
  'outcome_of',
  outcome,
  `select r.status as run_status, r.error as run_error, r.started_at as run_started, r.ended_at as run_ended,
       l.labels as run_labels, l.version as run_version, ${stepColumns}
     from runs r cross join lateral (
       select ${labelsText('r.id')} as labels, ${versionNumberOf} as version offset 0) l
     left join steps s on s.run_id = r.id ${payloads} where r.id = $1 order by s.seq`,
  (runKey: string) => [runKey],
)

/** Reads how a run ended and its steps in one query, for a caller that waited for the end. */
export const readRunOutcome = async (
  queries: Queries,
  runKey: string,
  take: TakeMemory = uncounted,
): Promise<{ run: RunOutcome; steps: StepRecord[] } | undefined> => {
  const rows = await outcomeOf(queries, runKey)
  const [first] = rows
  if (!first) return undefined
  const run = {
    status: first.run_status,
    error: first.run_error,
    labels: first.run_labels,
    started_at: first.run_started,
    ended_at: first.run_ended,
    version_number: first.run_version,
  }
  const steps = rows.filter((row): row is typeof row & { seq: number } => row.seq !== null)
  return { run, steps: await withLargeValues(queries, steps, take) }
}

/** Reads the steps of several runs in order. */
export const storedStepsOf = query(
  'steps_of',
  storedStep,
  `select ${stepColumns} from steps s ${payloads} where s.run_id = any($1::text[]) order by s.run_id, s.seq`,
  (runKeys: string[]) => [runKeys],
)

/** Reads one step of a run by its recorded name. Large values are left where they are. */
export const findStep = queryOne(
  'find_step',
  storedStep,
  // A scan of the run's steps: names need no index of their own, which every step would pay for.
  `select ${stepColumns} from steps s ${payloads} where s.run_id = $1 and s.name = $2 order by s.seq desc limit 1`,
  (runKey: string, name: string) => [runKey, name],
)

/** Reads steps of a run by their place. */
export const storedStepsAt = query(
  'steps_at',
  storedStep,
  `select ${stepColumns} from steps s ${payloads} where s.run_id = $1 and s.seq = any($2::int[]) order by s.seq`,
  (runKey: string, seqs: number[]) => [runKey, seqs],
)

/** Reads steps with their large values. */
export const stepsOf = async (
  queries: Queries,
  runKeys: string[],
  take: TakeMemory = uncounted,
): Promise<StepRecord[]> => withLargeValues(queries, await storedStepsOf(queries, runKeys), take)

/** Columns of a step without its values. */
const outlineColumns = `s.run_id, s.seq, s.name, s.status, s.attempt, null as inputs, null as outputs,
  null as inputs_payload, null as outputs_payload, 0 as payload_bytes,
  s.error, s.warnings, s.origin, s.usage, s.span, s.changed, s.started_at, s.wake_at, s.ended_at`

const selectChanges = (columns: string, joins: string) => `select ${columns} from steps s ${joins}
     where s.run_id = $1 and s.seq >= $2 and s.changed > $3 and s.changed <= $4 order by s.changed limit $5`
interface ChangedSteps {
  runKey: string
  fromSeq: number
  after: number
  until?: number
  limit: number
}
const changesValues = ({ runKey, fromSeq, after, until = Number.MAX_SAFE_INTEGER, limit }: ChangedSteps) => [
  ...[runKey, fromSeq, after, until, limit],
]
const fullChanges = query('step_changes', storedStep, selectChanges(stepColumns, payloads), changesValues)
const outlineChanges = query('step_changes_summary', storedStep, selectChanges(outlineColumns, ''), changesValues)

/**
 * Reads steps of one run from `fromSeq` on, changed after `after` and up to `until`, in order of change; in the view
 * `summary` without inputs and outputs.
 */
export const stepChanges = (
  queries: Queries,
  { view, ...at }: ChangedSteps & { view?: 'full' | 'summary' },
): Promise<StoredStep[]> => (view === 'summary' ? outlineChanges : fullChanges)(queries, at)

/** No run has more steps. */
export const mostSteps = 1_000_000

/** Reads all steps of a run, up to the change `until`, in order of execution. */
export const allSteps = async (
  queries: Queries,
  runKey: string,
  { view, until = Number.MAX_SAFE_INTEGER }: { view: 'full' | 'summary'; until?: number },
): Promise<StoredStep[]> => {
  const steps = await stepChanges(queries, { runKey, fromSeq: 0, after: 0, until, limit: mostSteps, view })
  return steps.sort((left, right) => left.seq - right.seq)
}

const outlines = (order: 'asc' | 'desc') =>
  query(
    `step_outlines_${order}`,
    storedStep,
    `select ${outlineColumns} from steps s
     where s.run_id = $1 and s.seq ${order === 'asc' ? '>=' : '<='} $2 order by s.seq ${order} limit $3`,
    (at: { runKey: string; from: number; limit: number }) => [at.runKey, at.from, at.limit],
  )
const outlinesInOrder = { asc: outlines('asc'), desc: outlines('desc') }

/** Reads steps of a run in order of execution, or backwards, from the place `from` on, without their values. */
export const stepOutlines = (
  queries: Queries,
  { order, ...at }: { runKey: string; from: number; order: 'asc' | 'desc'; limit: number },
): Promise<StepRecord[]> => outlinesInOrder[order](queries, at)

const findEnds = query(
  'ends_of_steps',
  { seq: int, ended_at: moment },
  'select seq, ended_at from steps where run_id = $1 and seq = any($2::int[]) and ended_at is not null',
  (runKey: string, seqs: number[]) => [runKey, seqs],
)

/** Reads when steps of a run ended, by their place; the ones that have not ended are left out. */
export const endsOfSteps = async (
  queries: Queries,
  runKey: string,
  seqs: number[],
): Promise<ReadonlyMap<number, Date>> => {
  const rows = await findEnds(queries, runKey, seqs)
  return new Map(rows.map(({ seq, ended_at }) => [seq, ended_at]))
}

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
