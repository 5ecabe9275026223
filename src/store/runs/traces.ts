import { newRunKey } from '../../lib/ids.ts'
import { totalCost } from '../../model/gateway/model-totals.ts'
import type { StepSpan } from '../../model/runs/step.ts'
import type { StepUsage } from '../../model/runs/step-usage.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../database/database.ts'
import {
  bigint,
  change,
  float,
  int,
  moment,
  orNull,
  query,
  queryOne,
  queryRow,
  text,
  textOf,
} from '../database/table.ts'
import type { TaskFields } from '../tasks/tasks.ts'
import { countRun, giveLabels, holdTask, insertRun } from './ingest.ts'
import { placeValue } from './payloads.ts'
import { countIngested, type IngestedTotals } from './totals.ts'
import { giveEarlyScores, holdTrace } from './trace-scores.ts'

/** A span to be recorded as a step. JSON texts have no secrets any more. */
export interface ObservedSpan {
  spanId: string
  parentId: string | null
  name: string
  kind: string
  scope: string
  startMs: number
  endMs: number
  /** JSON text of an error; null if it succeeded. */
  error: string | null
  /** JSON texts of objects. */
  inputs: string
  outputs: string
  /** Undefined if it called no model. */
  usage: StepUsage | undefined
  /** The model that it called; undefined if it called none, or does not name it. */
  model: string | undefined
  /** Who says what it cost; undefined if nobody does. */
  costFrom: StepSpan['cost_from']
  /** JSON text of what came: attributes, resource, events. */
  attributes: string
}

/** Spans of one trace that arrived together. */
export interface ObservedTrace {
  /** 32 hexadecimal digits: the trajectory id of its run. */
  traceId: string
  collection: { id: number; name: string }
  /** The task of a run that does not exist yet; its workflow is what such runs are shown with. */
  stub: TaskFields
  author: string
  recordedBy: string
  /** JSON text: what `attributes.params` of a new run says. */
  params: string
  spans: readonly ObservedSpan[]
  labels: { key: string; value: string }[]
  mostLabels: number
}

const held = {
  id: text,
  task_id: bigint,
  status: textOf<RunStatus>(),
  cost_usd: orNull(float),
  created_at: moment,
  ended_at: moment,
  steps: int,
}

const holdRun = queryOne(
  'hold_observed_run',
  held,
  `select id, task_id, status, cost_usd, created_at, ended_at,
       (select coalesce(max(seq) + 1, 0) from steps where run_id = r.id)::int steps
     from runs r where trajectory_id = $1 and collection_id = $2 and exists (select from spans where run_id = r.id)
     limit 1 for update`,
  (traceId: string, collectionId: number) => [traceId, collectionId],
)

const knownSpans = query(
  'known_spans',
  { span_id: text },
  'select span_id from spans where run_id = $1 and span_id = any($2)',
  (runKey: string, ids: string[]) => [runKey, ids],
)

const namesUsed = query(
  'span_names_used',
  { name: text, used: int },
  'select name, count(*)::int used from spans where run_id = $1 and name = any($2) group by name',
  (runKey: string, names: string[]) => [runKey, names],
)

const addSpans = change(
  'add_spans',
  `insert into spans (run_id, span_id, seq, name, attributes, parent_id, is_call)
     select $1, * from unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::bool[])`,
  (runKey: string, rows: readonly SpanStep[]) => [
    runKey,
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
  { parent_id: text },
  'select distinct parent_id from spans where run_id = $1 and is_call and parent_id = any($2)',
  (runKey: string, ids: string[]) => [runKey, ids],
)

const discountCalls = query(
  'discount_calls',
  { seq: int },
  `update steps t set usage = null, changed = nextval('changes') from spans s
     where s.run_id = $1 and s.span_id = any($2) and s.is_call and t.run_id = $1 and t.seq = s.seq and t.usage is not null
     returning t.seq`,
  (runKey: string, ids: string[]) => [runKey, ids],
)

const hasCalls = queryOne(
  'observed_run_has_calls',
  {},
  'select from spans where run_id = $1 and is_call limit 1',
  (runKey: string) => [runKey],
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

/** A span with the place and the name of its step. A name that comes again has a turn, as in a loop. */
interface SpanStep {
  span: ObservedSpan
  /** Undefined if it is no call, or one inside of it counts. */
  usage: StepUsage | undefined
  seq: number
  name: string
  turn: number | null
}

type SpanFacts = Pick<ObservedSpan, 'spanId' | 'parentId' | 'name' | 'kind' | 'scope' | 'model' | 'costFrom'>

/** What a step says of its span, as JSON text. */
export const spanText = ({ spanId, parentId, name, kind, scope, model, costFrom }: SpanFacts): string =>
  JSON.stringify({ id: spanId, parent: parentId, name, kind, scope, model, cost_from: costFrom } satisfies StepSpan)

const addSteps = async (queries: Queries, runKey: string, taskId: number, rows: readonly SpanStep[]): Promise<void> => {
  const inputs = []
  const outputs = []
  for (const { span } of rows) {
    inputs.push(await placeValue(queries, runKey, span.inputs))
    outputs.push(await placeValue(queries, runKey, span.outputs))
  }
  await queries.rows(
    'add_observed_steps',
    `insert into steps (run_id, task_id, seq, name, turn, status, attempt, epoch, inputs, inputs_payload, outputs,
       outputs_payload, error, usage, span, work_ms, started_at, ended_at)
     select $1, $2, seq, name, turn, case when error is null then 'completed' else 'failed' end, 1, 0, inputs,
       inputs_payload, outputs, outputs_payload, error, usage, span, ended - started, to_timestamp(started / 1000),
       to_timestamp(ended / 1000)
     from unnest($3::int[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
       $12::text[], $13::float8[], $14::float8[])
       u(seq, name, turn, inputs, inputs_payload, outputs, outputs_payload, error, usage, span, started, ended)`,
    [
      runKey,
      taskId,
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

const widenRun = queryRow(
  'widen_observed_run',
  { status: textOf<RunStatus>(), created_at: moment, ended_at: moment },
  `with l as (update labels set run_created_at = to_timestamp($2::float8 / 1000)
       where run_id = $1 and run_created_at > to_timestamp($2::float8 / 1000))
   update runs set created_at = least(created_at, to_timestamp($2::float8 / 1000)),
       started_at = least(started_at, to_timestamp($2::float8 / 1000)),
       ended_at = greatest(ended_at, to_timestamp($3::float8 / 1000)), cost_usd = $4::float8,
       status = coalesce($5, status), error = coalesce($6, error), init_params = coalesce($7, init_params),
       changed = nextval('changes')
     where id = $1 returning status, created_at, ended_at`,
  (run: { id: string; startMs: number; endMs: number; costUsd: number | null; root: ObservedSpan | undefined }) => [
    ...[run.id, run.startMs, run.endMs, run.costUsd],
    run.root ? (run.root.error === null ? 'completed' : 'failed') : null,
    run.root?.error ? (JSON.parse(run.root.error) as { message: string }).message : null,
    run.root?.inputs ?? null,
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

/** Leaves the usage of a call only to the innermost spans that record it. */
const countOnce = async (
  queries: Queries,
  runKey: string,
  rows: readonly SpanStep[],
  known: boolean,
): Promise<{ rows: readonly SpanStep[]; isDiscounted: boolean }> => {
  const calls = rows.filter(({ usage }) => usage)
  const outer = new Set(calls.flatMap(({ span }) => span.parentId ?? []))
  const ids = calls.map(({ span }) => span.spanId)
  const stored = known && ids.length > 0 ? await spansWithCalls(queries, runKey, ids) : []
  for (const { parent_id } of stored) outer.add(parent_id)
  const discounted = known && outer.size > 0 ? await discountCalls(queries, runKey, [...outer]) : []
  return {
    rows: rows.map((row) => (outer.has(row.span.spanId) ? { ...row, usage: undefined } : row)),
    isDiscounted: discounted.length > 0,
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

/** Gives each span the next place and a name of its own. */
const placed = async (
  queries: Queries,
  run: { id: string; steps: number },
  spans: readonly ObservedSpan[],
): Promise<SpanStep[]> => {
  const names = [...new Set(spans.map(({ name }) => name))]
  const rows = run.steps === 0 ? [] : await namesUsed(queries, run.id, names)
  const used = new Map(rows.map((row) => [row.name, row.used]))
  return spans.map((span, at) => {
    const before = used.get(span.name) ?? 0
    used.set(span.name, before + 1)
    const turn = before === 0 ? null : before + 1
    return {
      span,
      usage: span.usage,
      seq: run.steps + at,
      name: turn === null ? span.name : `${span.name}__${turn}`,
      turn,
    }
  })
}

/** Characters of the texts of spans, as the quota of a collection counts them. */
const textsOf = (spans: readonly ObservedSpan[]): number =>
  spans.reduce(
    (sum, { inputs, outputs, error, attributes }) =>
      sum + inputs.length + outputs.length + (error?.length ?? 0) + attributes.length,
    0,
  )

/** The spans that the run of their trace does not have yet, each once, in the order in which they began. */
const newSpans = async (queries: Queries, runKey: string | undefined, spans: readonly ObservedSpan[]) => {
  const first = new Map<string, ObservedSpan>()
  for (const span of spans) if (!first.has(span.spanId)) first.set(span.spanId, span)
  if (runKey !== undefined) {
    for (const { span_id } of await knownSpans(queries, runKey, [...first.keys()])) first.delete(span_id)
  }
  return [...first.values()].sort((one, other) => one.startMs - other.startMs)
}

/** Whether the run is new, and what was added to it. */
interface RecordedTrace {
  isNew: boolean
  /** About as many bytes were stored. */
  bytes: number
}

/**
 * Records spans as steps of the run of their trace, which is made with the first of them. A span that is there already
 * changes nothing. Runs in the caller's transaction, which must be one of `insist`. Undefined when the id of the trace is
 * that of another run of the task: nothing is written then.
 */
export const recordTrace = async (queries: Queries, trace: ObservedTrace): Promise<RecordedTrace | undefined> => {
  await holdTrace(queries, trace.traceId, trace.collection.id)
  const found = await holdRun(queries, trace.traceId, trace.collection.id)
  const spans = await newSpans(queries, found?.id, trace.spans)
  const [earliest] = spans
  if (!earliest) return { isNew: false, bytes: 0 }
  const { startMs } = earliest
  const endMs = spans.reduce((latest, span) => Math.max(latest, span.endMs), startMs)
  const run = found ?? (await makeRun(queries, trace, { createdMs: startMs, completedMs: endMs }))
  if (!run) return undefined
  const hadCalls = found !== undefined && (await hasCalls(queries, run.id)) !== undefined
  const { rows, isDiscounted } = await countOnce(queries, run.id, await placed(queries, run, spans), hadCalls)
  await addSpans(queries, run.id, rows)
  await addSteps(queries, run.id, run.task_id, rows)
  const before = found?.cost_usd ?? null
  const costUsd = await costWith(queries, { id: run.id, before, isDiscounted, hadCalls }, rows)
  const root = spans.find(({ parentId }) => parentId === null)
  const now = await widenRun(queries, { id: run.id, startMs, endMs, costUsd, root })
  await giveLabels(queries, run.id, trace, trace.mostLabels)
  if (!found) {
    await giveEarlyScores(
      queries,
      { id: run.id, collectionId: trace.collection.id, traceId: trace.traceId },
      trace.mostLabels,
    )
  }
  const totals = found && totalsOf(found, [])
  await countIngested(queries, {
    taskId: run.task_id,
    ...(totals ? { before: totals } : {}),
    after: totalsOf(now, rows),
  })
  return { isNew: !found, bytes: textsOf(spans) }
}

/** Makes the run of a trace; undefined when the task has another one with its id. */
const makeRun = async (
  queries: Queries,
  trace: ObservedTrace,
  times: { createdMs: number; completedMs: number },
): Promise<{ id: string; task_id: number; steps: number } | undefined> => {
  const { collection, stub, traceId: trajectoryId, author, recordedBy, params } = trace
  const task = await holdTask(queries, { collection, task: stub.name, stub })
  if (!task) throw new TypeError('a task with a stub always exists')
  const row = { id: newRunKey(), collectionId: collection.id, taskId: task.id, workflow: stub.workflow }
  const run = {
    trajectoryId,
    status: 'completed' as const,
    author,
    recordedBy,
    inputs: '{}',
    params,
    costUsd: null,
    ...times,
  }
  const made = await insertRun(queries, row, `${collection.name}/${task.name}`, run, times)
  if (made === undefined) return undefined
  await countRun(queries, task.id)
  return { id: row.id, task_id: task.id, steps: 0 }
}
