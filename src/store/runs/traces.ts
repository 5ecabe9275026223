import { newRunKey } from '../../lib/ids.ts'
import { totalCost } from '../../model/gateway/model-totals.ts'
import type { StepSpan } from '../../model/runs/step.ts'
import type { StepUsage } from '../../model/runs/step-usage.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../database/database.ts'
import { bigint, bool, change, float, int, moment, orNull, query, queryRow, text, textOf } from '../database/table.ts'
import { keeping } from '../tasks/definitions.ts'
import { definitionHash, type TaskFields } from '../tasks/tasks.ts'
import { missingLabels, type WitnessedSpan, withWitnesses } from './call-witnesses.ts'
import { countRun, holdTask } from './ingest.ts'
import { type CountedTrace, countedLabels, countRecordUse, countTraceUse, type DayUse } from './label-totals.ts'
import { writeLabels } from './labels.ts'
import { placeValue } from './payloads.ts'
import { countIngested, type IngestedTotals } from './totals.ts'
import { giveEarlyScores, holdTraces } from './trace-scores.ts'

/** A span to be recorded as a step. JSON texts have no secrets any more. */
export interface ObservedSpan extends WitnessedSpan {
  name: string
  kind: string
  scope: string
  /** JSON text of an error; null if it succeeded. */
  error: string | null
  /** JSON texts of objects. */
  inputs: string
  outputs: string
  /** Undefined if it called no model. */
  usage: StepUsage | undefined
  /** The model that it called; undefined if it called none, or does not name it. */
  model: string | undefined
  /** JSON text of what came: attributes, resource, events. */
  attributes: string
}

/** Spans of one trace that arrived together. */
export interface ObservedTrace {
  /** 32 hexadecimal digits: the trajectory id of its run. */
  traceId: string
  /** The task of a run that does not exist yet; its workflow is what such runs are shown with. */
  stub: TaskFields
  /** JSON text: what `attributes.params` of a new run says. */
  params: string
  spans: readonly ObservedSpan[]
  labels: { key: string; value: string }[]
}

/** Where traces are recorded, and who sends them. */
interface TraceRecording {
  collection: { id: number; name: string }
  author: string
  recordedBy: string
  /** Keys of labels whose use is counted by day. */
  countedKeys: readonly string[]
  mostLabels: number
}

const held = {
  id: text,
  trajectory_id: text,
  task_id: bigint,
  status: textOf<RunStatus>(),
  cost_usd: orNull(float),
  created_at: moment,
  ended_at: moment,
  steps: int,
  has_calls: bool,
  counted_labels: orNull(text),
}

const holdRuns = query(
  'hold_observed_runs',
  held,
  `select id, trajectory_id, task_id, status, cost_usd, created_at, ended_at,
       (select coalesce(max(seq) + 1, 0) from steps where run_id = r.id)::int steps,
       exists (select from spans where run_id = r.id and is_call) has_calls, counted_labels
     from runs r where trajectory_id = any($1) and collection_id = $2 and exists (select from spans where run_id = r.id)
     order by id for update`,
  (traceIds: readonly string[], collectionId: number) => [traceIds, collectionId],
)

/** A span of a run, as two columns. */
interface SpanKey {
  runKey: string
  spanId: string
}

const keysOf = (keys: readonly SpanKey[]): [string[], string[]] => [
  keys.map(({ runKey }) => runKey),
  keys.map(({ spanId }) => spanId),
]

const knownSpans = query(
  'known_spans',
  { run_id: text, span_id: text },
  `select s.run_id, s.span_id from unnest($1::text[], $2::text[]) u(run_id, span_id)
     join spans s on s.run_id = u.run_id and s.span_id = u.span_id`,
  (keys: readonly SpanKey[]) => keysOf(keys),
)

const namesUsed = query(
  'span_names_used',
  { run_id: text, name: text, used: int },
  `select run_id, name, count(*)::int used from spans where run_id = any($1) and name = any($2) group by run_id, name`,
  (runKeys: string[], names: string[]) => [runKeys, names],
)

const addSpans = change(
  'add_spans',
  `insert into spans (run_id, span_id, seq, name, attributes, parent_id, is_call)
     select * from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::bool[])`,
  (rows: readonly SpanStep[]) => [
    rows.map(({ run }) => run.id),
    rows.map(({ span }) => span.spanId),
    rows.map(({ seq }) => seq),
    rows.map(({ span }) => span.name),
    rows.map(({ span }) => span.attributes),
    rows.map(({ span }) => span.parentId),
    rows.map(({ span }) => span.usage !== undefined),
  ],
)

const spansWithCalls = query(
  'spans_with_calls',
  { run_id: text, parent_id: text },
  `select distinct s.run_id, s.parent_id from unnest($1::text[], $2::text[]) u(run_id, span_id)
     join spans s on s.run_id = u.run_id and s.parent_id = u.span_id and s.is_call`,
  (keys: readonly SpanKey[]) => keysOf(keys),
)

const discountCalls = query(
  'discount_calls',
  { run_id: text, usage: text, ended_at: moment, is_own: bool },
  `with counted as materialized (
       select c.run_id, c.seq, c.usage, c.ended_at, c.span::json->'call' is null as is_own from unnest($1::text[], $2::text[]) u(run_id, span_id)
       join spans s on s.run_id = u.run_id and s.span_id = u.span_id and s.is_call
       join steps c on c.run_id = s.run_id and c.seq = s.seq and c.usage is not null)
     update steps t set usage = null, changed = nextval('changes') from counted c where t.run_id = c.run_id and t.seq = c.seq
     returning c.run_id, c.usage, c.ended_at, c.is_own`,
  (keys: readonly SpanKey[]) => keysOf(keys),
)

const costOfSteps = queryRow(
  'cost_of_observed_steps',
  { cost_usd: orNull(float) },
  `select case when bool_and(cost is not null) then sum(cost) end cost_usd
     from (select (usage::json->>'cost_usd')::float8 cost from steps where run_id = $1 and usage is not null) u`,
  (runKey: string) => [runKey],
)

/** Bytes of what came of a span. */
export const receivedSpanBytes = queryRow(
  'received_span_bytes',
  { bytes: int },
  'select octet_length(attributes) bytes from spans where run_id = $1 and span_id = $2',
  (runKey: string, spanId: string) => [runKey, spanId],
)

/** What came of a span, as JSON text: attributes, resource, events. */
export const readReceivedSpan = queryRow(
  'received_span',
  { attributes: text },
  'select attributes from spans where run_id = $1 and span_id = $2',
  (runKey: string, spanId: string) => [runKey, spanId],
)

/** The run of a trace, new or not. */
interface TracedRun {
  id: string
  task_id: number
  /** How many it had before. */
  steps: number
}

/** A span with the place and the name of its step. A name that comes again has a turn, as in a loop. */
interface SpanStep {
  run: TracedRun
  span: ObservedSpan
  /** Undefined if it is no call, or one inside of it counts. */
  usage: StepUsage | undefined
  seq: number
  name: string
  turn: number | null
}

type SpanFacts = Pick<
  ObservedSpan,
  'spanId' | 'parentId' | 'name' | 'kind' | 'scope' | 'model' | 'costFrom' | 'call' | 'differs' | 'isCountedElsewhere'
>

/** What a step says of its span, as JSON text. */
export const spanText = (facts: SpanFacts): string => {
  const { spanId, parentId, name, kind, scope, model, costFrom, call, differs, isCountedElsewhere } = facts
  return JSON.stringify({
    ...{ id: spanId, parent: parentId, name, kind, scope, model, cost_from: costFrom },
    ...{ call, differs, counted_elsewhere: isCountedElsewhere },
  } satisfies StepSpan)
}

const addSteps = async (queries: Queries, rows: readonly SpanStep[]): Promise<void> => {
  const inputs = []
  const outputs = []
  for (const { run, span } of rows) {
    const placed = [placeValue(queries, run.id, span.inputs), placeValue(queries, run.id, span.outputs)] as const
    inputs.push(placed[0] instanceof Promise ? await placed[0] : placed[0])
    outputs.push(placed[1] instanceof Promise ? await placed[1] : placed[1])
  }
  await queries.rows(
    'add_observed_steps',
    `insert into steps (run_id, task_id, seq, name, turn, status, attempt, epoch, inputs, inputs_payload, outputs,
       outputs_payload, error, usage, span, work_ms, started_at, ended_at)
     select run_id, task_id, seq, name, turn, case when error is null then 'completed' else 'failed' end, 1, 0, inputs,
       inputs_payload, outputs, outputs_payload, error, usage, span, ended - started, to_timestamp(started / 1000),
       to_timestamp(ended / 1000)
     from unnest($1::text[], $2::bigint[], $3::int[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[],
       $10::text[], $11::text[], $12::text[], $13::float8[], $14::float8[])
       u(run_id, task_id, seq, name, turn, inputs, inputs_payload, outputs, outputs_payload, error, usage, span, started, ended)`,
    [
      rows.map(({ run }) => run.id),
      rows.map(({ run }) => run.task_id),
      rows.map(({ seq }) => seq),
      rows.map(({ name }) => name),
      rows.map(({ turn }) => turn),
      inputs.map((value) => value.text),
      inputs.map((value) => value.payload),
      outputs.map((value) => value.text),
      outputs.map((value) => value.payload),
      rows.map(({ span }) => span.error),
      rows.map(({ usage }) => (usage ? JSON.stringify(usage) : null)),
      rows.map(({ span }) => spanText(span)),
      rows.map(({ span }) => span.startMs),
      rows.map(({ span }) => span.endMs),
    ],
  )
}

/** What a run has become by more spans. */
interface Widened {
  id: string
  startMs: number
  endMs: number
  costUsd: number | null
  root: ObservedSpan | undefined
}

const widenRuns = query(
  'widen_observed_runs',
  { id: text, status: textOf<RunStatus>(), created_at: moment, ended_at: moment },
  `with u as materialized (
       select id, to_timestamp(started / 1000) started, to_timestamp(ended / 1000) ended, cost, status, error, params
       from unnest($1::text[], $2::float8[], $3::float8[], $4::float8[], $5::text[], $6::text[], $7::text[])
         u(id, started, ended, cost, status, error, params)),
     l as (update labels set run_created_at = u.started from u
       where labels.run_id = u.id and labels.run_created_at > u.started)
   update runs r set created_at = least(r.created_at, u.started), started_at = least(r.started_at, u.started),
       ended_at = greatest(r.ended_at, u.ended), cost_usd = u.cost, status = coalesce(u.status, r.status),
       error = coalesce(u.error, r.error), init_params = coalesce(u.params, r.init_params), changed = nextval('changes')
     from u where r.id = u.id returning r.id, r.status, r.created_at, r.ended_at`,
  (runs: readonly Widened[]) => [
    runs.map(({ id }) => id),
    runs.map(({ startMs }) => startMs),
    runs.map(({ endMs }) => endMs),
    runs.map(({ costUsd }) => costUsd),
    runs.map(({ root }) => (root ? (root.error === null ? 'completed' : 'failed') : null)),
    runs.map(({ root }) => (root?.error ? (JSON.parse(root.error) as { message: string }).message : null)),
    runs.map(({ root }) => root?.inputs ?? null),
  ],
)

/** The cost of a run with more steps: one unknown cost makes the whole unknown, and steps that are no calls add nothing. */
const costWith = async (
  queries: Queries,
  run: { id: string; before: number | null; isDiscounted: boolean; hadCalls: boolean },
  rows: readonly SpanStep[],
): Promise<number | null> => {
  if (run.isDiscounted) return (await costOfSteps(queries, run.id)).cost_usd
  const costs = rows.flatMap(({ usage }) => (usage ? [usage.cost_usd] : []))
  if (costs.length === 0) return run.before
  return totalCost([run.hadCalls ? run.before : 0, ...costs])
}

const settle = queryRow(
  'settle_calls',
  { cost_usd: orNull(float) },
  `with outer_calls as (
       update steps t set usage = null, changed = nextval('changes') from spans s
       where s.run_id = $1 and s.is_call and t.run_id = $1 and t.seq = s.seq and t.usage is not null
         and exists (select from spans c where c.run_id = $1 and c.is_call and c.parent_id = s.span_id)
       returning t.seq),
     costs as (
       select (usage::json->>'cost_usd')::float8 cost from steps
       where run_id = $1 and usage is not null and seq not in (select seq from outer_calls))
   update runs set cost_usd = (select case when bool_and(cost is not null) then sum(cost) end from costs),
       changed = nextval('changes') where id = $1
     returning cost_usd`,
  (runKey: string) => [runKey],
)

/** Leaves the usage of all calls of a run to their innermost spans, and sums up what the run has cost. */
export const settleCalls = async (queries: Queries, runKey: string): Promise<void> => {
  await settle(queries, runKey)
}

const keyText = ({ runKey, spanId }: SpanKey): string => `${runKey} ${spanId}`

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

const usageOn = ({ cost_usd, total_tokens }: StepUsage, endedMs: number, sign: 1 | -1): DayUse => ({
  ...{ day: dayOf(endedMs), usd: sign * (cost_usd ?? 0), tokens: sign * total_tokens, calls: sign },
})

/** Leaves the usage of a call only to the innermost spans that record it. Returns what stored ones lost, by run. */
const countOnce = async (
  queries: Queries,
  rows: readonly SpanStep[],
  hadCalls: ReadonlySet<string>,
): Promise<{ rows: readonly SpanStep[]; discounted: ReadonlyMap<string, readonly DayUse[]> }> => {
  const calls = rows.filter(({ usage }) => usage)
  const outer = calls.flatMap(({ run, span }) =>
    span.parentId === null ? [] : { runKey: run.id, spanId: span.parentId },
  )
  const known = calls.filter(({ run }) => hadCalls.has(run.id))
  const inside = known.map(({ run, span }) => ({ runKey: run.id, spanId: span.spanId }))
  for (const { run_id, parent_id } of inside.length > 0 ? await spansWithCalls(queries, inside) : []) {
    outer.push({ runKey: run_id, spanId: parent_id })
  }
  const stored = outer.filter(({ runKey }) => hadCalls.has(runKey))
  const discounted = new Map<string, DayUse[]>()
  for (const { run_id, usage, ended_at, is_own } of stored.length > 0 ? await discountCalls(queries, stored) : []) {
    const lost = usageOn(JSON.parse(usage) as StepUsage, ended_at.getTime(), -1)
    discounted.set(run_id, [...(discounted.get(run_id) ?? []), ...(is_own ? [lost] : [])])
  }
  const isOuter = new Set(outer.map(keyText))
  return {
    rows: rows.map((row) =>
      isOuter.has(keyText({ runKey: row.run.id, spanId: row.span.spanId })) ? { ...row, usage: undefined } : row,
    ),
    discounted,
  }
}

const totalsOf = (
  run: { status: RunStatus; created_at: Date; ended_at: Date },
  rows: readonly SpanStep[],
): IngestedTotals => ({
  status: run.status,
  endedMs: run.ended_at.getTime(),
  ms: run.ended_at.getTime() - run.created_at.getTime(),
  steps: rows.map(({ span, seq }) => ({
    ...{ name: span.name, seq, failed: span.error !== null },
    ms: span.endMs - span.startMs,
  })),
})

/** Gives each span the next place in its run and a name of its own. `used` counts the names of runs that are not new. */
const placed = (run: TracedRun, spans: readonly ObservedSpan[], used: Map<string, number>): SpanStep[] =>
  spans.map((span, at) => {
    const before = used.get(span.name) ?? 0
    used.set(span.name, before + 1)
    const turn = before === 0 ? null : before + 1
    const name = turn === null ? span.name : `${span.name}__${turn}`
    return { run, span, usage: span.usage, seq: run.steps + at, name, turn }
  })

/** Characters of the texts of spans, as the quota of a collection counts them. */
const textsOf = (spans: readonly ObservedSpan[]): number =>
  spans.reduce(
    (sum, { inputs, outputs, error, attributes }) =>
      sum + inputs.length + outputs.length + (error?.length ?? 0) + attributes.length,
    0,
  )

/** The spans that the runs of their traces do not have yet, each once, in the order in which they began. */
const newSpans = async (
  queries: Queries,
  traces: readonly ObservedTrace[],
  found: ReadonlyMap<string, { id: string }>,
): Promise<Map<ObservedTrace, ObservedSpan[]>> => {
  const stored = traces.flatMap(({ traceId, spans }) => {
    const run = found.get(traceId)
    return run ? spans.map(({ spanId }) => ({ runKey: run.id, spanId })) : []
  })
  const rows = stored.length > 0 ? await knownSpans(queries, stored) : []
  const known = new Set(rows.map(({ run_id, span_id }) => keyText({ runKey: run_id, spanId: span_id })))
  return new Map(
    traces.map((trace) => {
      const runKey = found.get(trace.traceId)?.id
      const first = new Map<string, ObservedSpan>()
      for (const span of trace.spans) {
        const isKnown = runKey !== undefined && known.has(keyText({ runKey, spanId: span.spanId }))
        if (!isKnown && !first.has(span.spanId)) first.set(span.spanId, span)
      }
      return [trace, [...first.values()].sort((one, other) => one.startMs - other.startMs)]
    }),
  )
}

/** What was recorded of traces. */
interface RecordedTraces {
  /** Runs that were made. */
  runs: number
  /** About as many bytes were stored. */
  bytes: number
  /** Traces with the id of a run that is none: nothing of them was written. */
  refused: ObservedTrace[]
}

const endOf = (spans: readonly ObservedSpan[]): number =>
  spans.reduce((latest, span) => Math.max(latest, span.endMs), Number.NEGATIVE_INFINITY)

/**
 * Records spans as steps of the runs of their traces, which are made with the first of them. A span that is there already
 * changes nothing. Runs in the caller's transaction, which must be one of `insist`. All traces take a dozen statements
 * together: one by one, those of an export of 512 spans took 800.
 */
export const recordTraces = async (
  queries: Queries,
  recording: TraceRecording,
  exported: readonly ObservedTrace[],
): Promise<RecordedTraces> => {
  const { collection, author, recordedBy, countedKeys, mostLabels } = recording
  const ids = exported.map(({ traceId }) => traceId)
  await holdTraces(queries, ids, collection.id)
  const held = await holdRuns(queries, ids, collection.id)
  const found = new Map(held.map((run) => [run.trajectory_id, run]))
  const all = await newSpans(queries, exported, found)
  const fresh = [...all].filter(([, spans]) => spans.length > 0)
  const made = await makeRuns(
    queries,
    recording,
    fresh.filter(([{ traceId }]) => !found.has(traceId)),
  )
  const traces = fresh.flatMap(([trace, spans]) => {
    const run: TracedRun | undefined = found.get(trace.traceId) ?? made.get(trace)
    return run ? [{ trace, spans, run, before: found.get(trace.traceId) }] : []
  })
  const refused = fresh.flatMap(([trace]) => (found.has(trace.traceId) || made.has(trace) ? [] : [trace]))
  if (traces.length === 0) return { runs: 0, bytes: 0, refused }

  const old = traces.filter(({ before }) => before)
  const names = [...new Set(old.flatMap(({ spans }) => spans.map(({ name }) => name)))]
  const used = new Map<string, Map<string, number>>()
  const usedRows =
    old.length > 0
      ? await namesUsed(
          queries,
          old.map(({ run }) => run.id),
          names,
        )
      : []
  for (const { run_id, name, used: times } of usedRows) {
    const ofRun = used.get(run_id) ?? new Map<string, number>()
    used.set(run_id, ofRun.set(name, times))
  }
  const placedRows = traces.flatMap(({ run, spans }) => placed(run, spans, used.get(run.id) ?? new Map()))
  const hadCalls = new Set(held.filter(({ has_calls }) => has_calls).map(({ id }) => id))
  const traceIds = new Map(traces.map(({ trace, run }) => [run.id, trace.traceId]))
  const witnessed = await withWitnesses(queries, collection.id, placedRows, ({ run }) => traceIds.get(run.id) ?? '')
  const { rows, discounted } = await countOnce(queries, witnessed, hadCalls)
  await addSpans(queries, rows)
  await addSteps(queries, rows)

  const byRun = new Map<string, SpanStep[]>()
  for (const row of rows) {
    const ofRun = byRun.get(row.run.id)
    if (ofRun) ofRun.push(row)
    else byRun.set(row.run.id, [row])
  }
  const widened: Widened[] = []
  for (const { run, spans, before } of traces) {
    const was = { id: run.id, before: before?.cost_usd ?? null, isDiscounted: discounted.has(run.id) }
    const costUsd = await costWith(queries, { ...was, hadCalls: hadCalls.has(run.id) }, byRun.get(run.id) ?? [])
    const root = spans.find(({ parentId }) => parentId === null)
    widened.push({ id: run.id, startMs: spans[0]?.startMs ?? 0, endMs: endOf(spans), costUsd, root })
  }
  const now = new Map((await widenRuns(queries, widened)).map((row) => [row.id, row]))
  // What is beyond the labels that a run may have is left out: refused, an exporter would drop all of its spans.
  const given = traces.flatMap(({ trace, run }) =>
    trace.labels.map((label) => ({ runId: run.id, ...label, author, recordedBy })),
  )
  const written = await writeLabels(queries, given, mostLabels)
  const toldOf = traces.filter(({ trace }) => trace.labels.length > 0).map(({ run }) => run.id)
  const joined = rows.filter(({ span }) => span.call).map(({ run }) => run.id)
  const missing = toldOf.length + joined.length > 0 ? await missingLabels(queries, [...toldOf, ...joined]) : []
  const told = missing.map(({ run_id: runId, ...label }) => ({ runId, ...label, author, recordedBy }))
  const writtenToo = await writeLabels(queries, told, mostLabels)
  const newRuns = traces.filter(({ before }) => !before)
  await giveEarlyScores(
    queries,
    collection.id,
    new Map(newRuns.map(({ trace, run }) => [trace.traceId, run.id])),
    mostLabels,
  )
  for (const taskId of new Set(traces.map(({ run }) => run.task_id))) {
    const ofTask = traces.filter(({ run }) => run.task_id === taskId)
    await countIngested(queries, {
      taskId,
      before: ofTask.flatMap(({ before }) => (before ? totalsOf(before, []) : [])),
      after: ofTask.flatMap(({ run }) => {
        const row = now.get(run.id)
        return row ? totalsOf(row, byRun.get(run.id) ?? []) : []
      }),
    })
  }
  const labels = given.filter(({ key }, at) => written[at] && countedKeys.includes(key))
  await countRecordUse(
    queries,
    collection.id,
    told.filter((_, at) => writtenToo[at]),
  )
  await countTraceUse(
    queries,
    collection.id,
    traces.flatMap(({ run, before, spans }): CountedTrace[] => {
      const was = countedLabels(before?.counted_labels ?? null)
      const after = new Map(was)
      for (const { runId, key, value } of labels) if (runId === run.id) after.set(key, value)
      if (after.size === 0) return []
      // A call that the gateway has recorded counts with its record.
      const calls = (byRun.get(run.id) ?? []).flatMap(({ usage, span }) =>
        usage && !span.call ? [usageOn(usage, span.endMs, 1)] : [],
      )
      const day = dayOf(before?.created_at.getTime() ?? spans[0]?.startMs ?? 0)
      return [
        {
          runKey: run.id,
          day,
          isNew: !before,
          before: was,
          after,
          added: [...calls, ...(discounted.get(run.id) ?? [])],
        },
      ]
    }),
  )
  return { runs: newRuns.length, bytes: traces.reduce((sum, { spans }) => sum + textsOf(spans), 0), refused }
}

const insertRuns = query(
  'insert_observed_runs',
  { id: text },
  `with ${keeping('$6::text', '$7::text')}
   insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
     recorded_by, status, params, ingested, created_at, started_at, ended_at)
   select u.id, u.trajectory_id, replace($3, '/', '-') || '--' || u.trajectory_id, $1, $2::bigint, $3, $6, '{}', $4,
     $5, 'completed', u.params, true, to_timestamp(u.started / 1000), to_timestamp(u.started / 1000), to_timestamp(u.ended / 1000)
   from unnest($8::text[], $9::text[], $10::text[], $11::float8[], $12::float8[]) u(id, trajectory_id, params, started, ended)
   where not exists (select from runs where trajectory_id = u.trajectory_id and not ingested and task_id = $2)
   on conflict do nothing returning id`,
  (
    { collection, author, recordedBy }: TraceRecording,
    task: { id: number; name: string; workflow: string },
    runs: readonly { id: string; trace: ObservedTrace; spans: readonly ObservedSpan[] }[],
  ) => [
    ...[collection.id, task.id, `${collection.name}/${task.name}`, author, recordedBy],
    ...[definitionHash(task.workflow), task.workflow],
    runs.map(({ id }) => id),
    runs.map(({ trace }) => trace.traceId),
    runs.map(({ trace }) => trace.params),
    runs.map(({ spans }) => spans[0]?.startMs ?? 0),
    runs.map(({ spans }) => endOf(spans)),
  ],
)

/** Makes the runs of traces. Those whose task has another run with the same id are not among them. */
const makeRuns = async (
  queries: Queries,
  recording: TraceRecording,
  traces: readonly [ObservedTrace, readonly ObservedSpan[]][],
): Promise<Map<ObservedTrace, TracedRun>> => {
  const made = new Map<ObservedTrace, TracedRun>()
  // In one order, so that two exports never wait for each other's tasks.
  const stubs = new Map(traces.map(([{ stub }]) => [stub.name.toLowerCase(), stub]))
  for (const [name, stub] of [...stubs].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const task = await holdTask(queries, { collection: recording.collection, task: stub.name, stub })
    if (!task) throw new TypeError('a task with a stub always exists')
    const runs = traces
      .filter(([trace]) => trace.stub.name.toLowerCase() === name)
      .map(([trace, spans]) => ({ id: newRunKey(), trace, spans }))
    const rows = await insertRuns(queries, recording, { ...task, workflow: stub.workflow }, runs)
    const ids = new Set(rows.map(({ id }) => id))
    for (const { id, trace } of runs) if (ids.has(id)) made.set(trace, { id, task_id: task.id, steps: 0 })
    if (rows.length > 0) await countRun(queries, task.id, rows.length)
  }
  return made
}
