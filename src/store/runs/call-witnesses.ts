import type { StepSpan } from '../../model/runs/step.ts'
import type { StepUsage } from '../../model/runs/step-usage.ts'
import type { Queries } from '../database/database.ts'
import { bool, change, int, listsOf, moment, orNull, query, text } from '../database/table.ts'

/** A witness of a call: the gateway's record of it, or a span of another program. */
const witness = {
  name: text,
  is_gateway: bool,
  run_id: text,
  seq: int,
  trajectory_id: text,
  task: text,
  /** JSON text of its tokens and cost; null if it counts none. */
  usage: orNull(text),
  /** JSON text; null for the gateway's. */
  span: orNull(text),
  started_at: moment,
  ended_at: moment,
}

/** Witnesses of one name that are looked at: providers that repeat an id are rare, and broken. */
const mostOfName = 20

const findWitnesses = query(
  'find_call_witnesses',
  witness,
  `select n.name, w.is_gateway, w.run_id, w.seq, r.trajectory_id, split_part(r.name, '/', 2) task, s.usage, s.span, s.started_at,
       s.ended_at
     from (select distinct unnest($2::text[]) name) n
     cross join lateral (select * from call_witnesses c where c.collection_id = $1 and c.name = n.name
       order by c.at desc limit ${mostOfName}) w
     join runs r on r.id = w.run_id join steps s on s.run_id = w.run_id and s.seq = w.seq
     where s.ended_at is not null`,
  (collectionId: number, names: readonly string[]) => [collectionId, names],
)
type Witness = Awaited<ReturnType<typeof findWitnesses>>[number]

/** Notes spans by the id of the answer that they record, for other witnesses of the same calls. */
const noteSpans = change(
  'note_call_witnesses',
  `insert into call_witnesses (collection_id, name, run_id, seq, is_gateway)
     select $1, name, run_id, seq, false from unnest($2::text[], $3::text[], $4::int[]) u(name, run_id, seq)`,
  (collectionId: number, names: readonly string[], runKeys: readonly string[], seqs: readonly number[]) => [
    ...[collectionId, names, runKeys, seqs],
  ],
)

const joinRecords = change(
  'join_call_witnesses',
  `update call_witnesses w set trace_run = u.trace_run from unnest($2::text[], $3::text[], $4::text[]) u(name, run_id, trace_run)
     where w.collection_id = $1 and w.name = u.name and w.run_id = u.run_id and w.is_gateway`,
  (collectionId: number, joins: readonly { name: string; runKey: string; traceRun: string }[]) => [
    collectionId,
    ...listsOf(['name', 'runKey', 'traceRun'], joins),
  ],
)

/** For whom the traces were made whose calls the gateway has recorded, where its records do not say it. */
export const missingLabels = query(
  'labels_of_call_records',
  { run_id: text, key: text, value: text },
  `select distinct on (w.run_id, l.key) w.run_id, l.key, l.value
     from call_witnesses w join runs r on r.id = w.run_id join labels l on l.run_id = w.trace_run
     where w.trace_run = any($1) and l.key in ('user', 'session')
       and not exists (select from labels own where own.run_id = w.run_id and own.key = l.key)
     order by w.run_id, l.key, l.number`,
  (traceRuns: readonly string[]) => [traceRuns],
)

/** Removes what is too old for another witness to come. */
export const sweepCallWitnesses = change(
  'sweep_call_witnesses',
  `delete from call_witnesses where at < now() - interval '1 day'`,
)

/** The name of a call whose request had this span as its parent. */
export const parentName = (traceId: string, spanId: string): string => `${traceId} ${spanId}`

/** What witnesses of a call know of its span. */
export interface WitnessedSpan {
  spanId: string
  parentId: string | null
  startMs: number
  endMs: number
  /** Who says what it cost; undefined if nobody does. */
  costFrom: StepSpan['cost_from']
  /** Id of the answer of the model, as its provider gave it; undefined if it called none, or does not say. */
  answerId?: string | undefined
  /** The gateway's record of its call, and what the sender says otherwise. */
  call?: StepSpan['call']
  differs?: StepSpan['differs']
  /** Whether another span counts its call. */
  isCountedElsewhere?: true | undefined
}

/** A span with the step that it becomes, as far as its witnesses decide about it. */
interface WitnessedRow {
  run: { id: string }
  span: WitnessedSpan
  usage: StepUsage | undefined
  seq: number
}

/** Clocks of other programs differ from ours by this much at most. */
const clockMs = 5 * 60_000

/** Whether two counts are further apart than rounding makes them. */
const differ = (one: number | null | undefined, other: number | null | undefined): boolean =>
  typeof one === 'number' && typeof other === 'number' && Math.abs(one - other) > 0.01 * Math.max(one, other)

const compared = ['prompt_tokens', 'completion_tokens', 'cost_usd'] as const

/** What the exporter said otherwise than the gateway has counted, by more than 1 %; undefined if they agree. */
const differencesOf = (sent: StepUsage, counted: StepUsage, costFrom: StepSpan['cost_from']): StepSpan['differs'] => {
  const different = compared.filter(
    (name) => (name !== 'cost_usd' || costFrom === 'sender') && differ(sent[name], counted[name]),
  )
  if (different.length === 0) return undefined
  return Object.fromEntries(different.map((name) => [name, { sent: sent[name], counted: counted[name] }]))
}

const usageOf = ({ usage }: Witness): StepUsage | undefined =>
  usage === null ? undefined : (JSON.parse(usage) as StepUsage)

/** Whether a span may be the call that the gateway has recorded. */
const isNear = (span: WitnessedSpan, { started_at, ended_at }: Witness): boolean =>
  ended_at.getTime() >= span.startMs - clockMs && started_at.getTime() <= span.endMs + clockMs

/** Whether another span may record the same call: both were under way at once, and count the same. */
const isSame = (row: WitnessedRow, other: { startMs: number; endMs: number; usage: StepUsage | undefined }): boolean =>
  row.usage !== undefined &&
  other.usage !== undefined &&
  other.startMs <= row.span.endMs &&
  other.endMs >= row.span.startMs &&
  !differ(row.usage.total_tokens, other.usage.total_tokens)

/** Steps from a span up to the call that it is part of, at most. */
const mostAbove = 16

/** The names of a call: the id of its answer, and those of the spans in which its request was made. */
const namesOf = (
  rows: readonly WitnessedRow[],
  traceIdOf: (row: WitnessedRow) => string,
): Map<WitnessedRow, string[]> => {
  const keyOf = (runKey: string, spanId: string) => `${runKey} ${spanId}`
  const byId = new Map(rows.map((row) => [keyOf(row.run.id, row.span.spanId), row]))
  const names = new Map<WitnessedRow, string[]>()
  for (const row of rows) {
    // The client of HTTP makes its own span below that of the call, and names it in the request.
    let call: WitnessedRow | undefined = row
    for (let step = 0; call && call.usage === undefined && step < mostAbove; step++) {
      call = call.span.parentId === null ? undefined : byId.get(keyOf(call.run.id, call.span.parentId))
    }
    if (call?.usage === undefined) continue
    const known = names.get(call) ?? (call.span.answerId === undefined ? [] : [call.span.answerId])
    names.set(call, [...known, parentName(traceIdOf(row), row.span.spanId)])
  }
  return names
}

/** What a span has of the gateway's record of its call. */
interface Joined {
  usage: StepUsage | undefined
  span: Pick<WitnessedSpan, 'costFrom' | 'call' | 'differs'>
}

const joinedWith = (row: WitnessedRow, witness: Witness): Joined => {
  const counted = usageOf(witness)
  const { costFrom } = row.span
  return {
    usage: counted ?? row.usage,
    span: {
      costFrom: counted ? (counted.cost_usd === null ? undefined : 'gateway') : costFrom,
      call: { task: witness.task, trajectory_id: witness.trajectory_id },
      differs: row.usage && counted && differencesOf(row.usage, counted, costFrom),
    },
  }
}

/**
 * Finds other witnesses of calls. A call that the gateway has recorded, too, has its tokens and cost; one that another span
 * has counted already counts nothing. Notes the calls for witnesses that come later.
 */
export const withWitnesses = async <Row extends WitnessedRow>(
  queries: Queries,
  collectionId: number,
  given: readonly Row[],
  traceIdOf: (row: WitnessedRow) => string,
): Promise<readonly Row[]> => {
  const names = namesOf(given, traceIdOf)
  if (names.size === 0) return given
  const found = await findWitnesses(queries, collectionId, [...names.values()].flat())
  const claimed = new Set<string>()
  const counted = new Map<string, { startMs: number; endMs: number; usage: StepUsage | undefined }[]>()
  const records = new Map<string, Witness[]>()
  for (const one of found) {
    if (one.is_gateway) {
      records.set(one.name, [...(records.get(one.name) ?? []), one])
      continue
    }
    const known = { startMs: one.started_at.getTime(), endMs: one.ended_at.getTime(), usage: usageOf(one) }
    counted.set(one.name, [...(counted.get(one.name) ?? []), known])
  }
  const rows: Row[] = []
  const joins: { name: string; runKey: string; traceRun: string }[] = []
  for (const row of given) {
    const own = names.get(row)
    if (!own) {
      rows.push(row)
      continue
    }
    const distance = ({ started_at }: Witness) => Math.abs(started_at.getTime() - row.span.startMs)
    const record = own
      .flatMap((name) => records.get(name) ?? [])
      .filter((one) => isNear(row.span, one))
      .sort(
        (one, other) =>
          Number(claimed.has(one.run_id)) - Number(claimed.has(other.run_id)) || distance(one) - distance(other),
      )[0]
    const joined = record && joinedWith(row, record)
    if (record) {
      claimed.add(record.run_id)
      joins.push({ name: record.name, runKey: record.run_id, traceRun: row.run.id })
    }
    const { answerId } = row.span
    const before = answerId === undefined ? [] : (counted.get(answerId) ?? [])
    const now: Row = joined ? { ...row, usage: joined.usage, span: { ...row.span, ...joined.span } } : row
    const isCounted = before.some((other) => isSame(now, other))
    const { startMs, endMs } = row.span
    if (answerId !== undefined && !isCounted) counted.set(answerId, [...before, { startMs, endMs, usage: now.usage }])
    const shown: Row = isCounted ? { ...now, usage: undefined, span: { ...now.span, isCountedElsewhere: true } } : now
    rows.push(shown)
  }
  const noted = rows.filter(({ span, usage }) => span.answerId !== undefined && usage)
  if (noted.length > 0) {
    await noteSpans(
      queries,
      collectionId,
      noted.map(({ span }) => span.answerId ?? ''),
      noted.map(({ run }) => run.id),
      noted.map(({ seq }) => seq),
    )
  }
  if (joins.length > 0) await joinRecords(queries, collectionId, joins)
  return rows
}
