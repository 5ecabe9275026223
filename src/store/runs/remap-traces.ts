import type { Queries } from '../database/database.ts'
import { bigint, bool, change, int, orNull, query, queryOne, queryRow, text } from '../database/table.ts'
import { countedLabels, countTraceUse, moreUse, traceUse } from './label-totals.ts'
import { placeValue } from './payloads.ts'
import { holdTraces } from './trace-scores.ts'
import { type ObservedSpan, settleCalls, spanText } from './traces.ts'

/** A place among the stored traces of a collection. Runs come in the order of their last change. */
export interface RemapPlace {
  /** Further runs are those after this change number, up to the other one. */
  after: number
  until: number
  /** The trace that is being read, and its last span that has been; both empty between traces. */
  traceId: string
  spanId: string
}

const lastChange = queryRow(
  'last_change_of_collection',
  { changed: bigint },
  'select coalesce(max(changed), 0) changed from runs where collection_id = $1',
  (collectionId: number) => [collectionId],
)

/** The place before all traces that a collection has now. */
export const beginRemap = async (queries: Queries, collectionId: number): Promise<RemapPlace> => ({
  after: 0,
  until: (await lastChange(queries, collectionId)).changed,
  traceId: '',
  spanId: '',
})

const nextTraces = query(
  'next_traces_to_remap',
  { id: text, trajectory_id: text, changed: bigint, is_trace: bool },
  `select r.id, r.trajectory_id, r.changed, r.task_id = coalesce($4, r.task_id) and exists (select from spans where run_id = r.id) is_trace
     from runs r where r.collection_id = $1 and r.changed > $2 and r.changed <= $3 order by r.changed limit $5`,
  (collectionId: number, { after, until }: RemapPlace, taskId: number | null, limit: number) => [
    ...[collectionId, after, until, taskId, limit],
  ],
)

/** Runs that are looked at for a trace in one part. */
const lookedAtOnce = 500

const traceOf = queryOne(
  'trace_to_remap',
  { id: text },
  `select id from runs r where trajectory_id = $1 and collection_id = $2
     and exists (select from spans where run_id = r.id) limit 1`,
  (traceId: string, collectionId: number) => [traceId, collectionId],
)

/** What a part of a remap reads. Without a run, there is none at the place; the next part may find one. */
interface RemapPart {
  run: { id: string; traceId: string } | undefined
  place: RemapPlace
  isEnd: boolean
}

/** Finds the run at a place, or the next one that records a trace. */
export const nextTrace = async (
  queries: Queries,
  at: { collectionId: number; taskId: number | null },
  place: RemapPlace,
): Promise<RemapPart> => {
  const between = { ...place, traceId: '', spanId: '' }
  if (place.traceId !== '') {
    const row = await traceOf(queries, place.traceId, at.collectionId)
    return { run: row && { id: row.id, traceId: place.traceId }, place: row ? place : between, isEnd: false }
  }
  const rows = await nextTraces(queries, at.collectionId, place, at.taskId, lookedAtOnce)
  const found = rows.find((row) => row.is_trace)
  if (found) {
    const run = { id: found.id, traceId: found.trajectory_id }
    return { run, place: { ...place, after: found.changed, traceId: found.trajectory_id, spanId: '' }, isEnd: false }
  }
  const after = rows.at(-1)?.changed ?? place.until
  return { run: undefined, place: { ...between, after }, isEnd: rows.length < lookedAtOnce }
}

/** A span as it came, and its step. */
const storedSpan = {
  span_id: text,
  parent_id: orNull(text),
  name: text,
  scope: text,
  seq: int,
  attributes: text,
  inputs: orNull(text),
  outputs: orNull(text),
  usage: orNull(text),
  span: text,
}

/** Spans of a part, and characters of their attributes. */
const spansAtOnce = 500
const charactersAtOnce = 8 * 1024 * 1024

/** The next spans of a run, no more than are held at once. */
export const spansToRemap = query(
  'spans_to_remap',
  storedSpan,
  `with sized as (
       select span_id, sum(octet_length(attributes)) over (order by span_id) - octet_length(attributes) before
       from (select span_id, attributes from spans where run_id = $1 and span_id > $2 order by span_id limit ${spansAtOnce}) s)
     select s.span_id, s.parent_id, t.span::json->>'name' as name, t.span::json->>'scope' as scope, s.seq, s.attributes,
       coalesce(t.inputs, i.body) inputs, coalesce(t.outputs, o.body) outputs, t.usage, t.span
     from sized join spans s on s.run_id = $1 and s.span_id = sized.span_id
     join steps t on t.run_id = $1 and t.seq = s.seq
     left join payloads i on i.id = t.inputs_payload left join payloads o on o.id = t.outputs_payload
     where before < ${charactersAtOnce} order by s.span_id`,
  (runKey: string, after: string) => [runKey, after],
)

/** A span by the conventions of today. */
export type RemappedSpan = Pick<
  ObservedSpan,
  | 'spanId'
  | 'parentId'
  | 'name'
  | 'kind'
  | 'scope'
  | 'model'
  | 'inputs'
  | 'outputs'
  | 'usage'
  | 'costFrom'
  | 'call'
  | 'differs'
  | 'isCountedElsewhere'
> & { seq: number }

const removePayloads = change(
  'remove_payloads_of_steps',
  `delete from payloads where id in (
     select unnest(array[inputs_payload, outputs_payload]) from steps where run_id = $1 and seq = any($2))`,
  (runKey: string, seqs: number[]) => [runKey, seqs],
)

const markCalls = change(
  'mark_calls_of_spans',
  `update spans s set is_call = u.is_call from unnest($2::text[], $3::bool[]) u(span_id, is_call)
     where s.run_id = $1 and s.span_id = u.span_id and s.is_call <> u.is_call`,
  (runKey: string, spans: readonly RemappedSpan[]) => [
    runKey,
    spans.map(({ spanId }) => spanId),
    spans.map(({ usage }) => usage !== undefined),
  ],
)

const lockRun = queryOne(
  'lock_remapped_run',
  { counted_labels: orNull(text) },
  'select counted_labels from runs where id = $1 for update',
  (runKey: string) => [runKey],
)

/**
 * Writes spans of a run as the conventions of today read them, and corrects what the run has cost. Runs in the caller's
 * transaction. Returns false when the run is gone.
 */
export const rewriteSpans = async (
  queries: Queries,
  run: { id: string; traceId: string; collectionId: number },
  spans: readonly RemappedSpan[],
): Promise<boolean> => {
  await holdTraces(queries, [run.traceId], run.collectionId)
  const locked = await lockRun(queries, run.id)
  if (!locked) return false
  const labels = countedLabels(locked.counted_labels)
  const before = labels.size > 0 ? await traceUse(queries, run.id) : []
  await removePayloads(
    queries,
    run.id,
    spans.map(({ seq }) => seq),
  )
  const inputs = []
  const outputs = []
  for (const span of spans) {
    inputs.push(await placeValue(queries, run.id, span.inputs))
    outputs.push(await placeValue(queries, run.id, span.outputs))
  }
  await queries.rows(
    'rewrite_observed_steps',
    `update steps t set inputs = u.inputs, inputs_payload = u.inputs_payload, outputs = u.outputs,
         outputs_payload = u.outputs_payload, usage = u.usage, span = u.span, changed = nextval('changes')
       from unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
         u(seq, inputs, inputs_payload, outputs, outputs_payload, usage, span)
       where t.run_id = $1 and t.seq = u.seq`,
    [
      run.id,
      spans.map(({ seq }) => seq),
      inputs.map((value) => value.text),
      inputs.map((value) => value.payload),
      outputs.map((value) => value.text),
      outputs.map((value) => value.payload),
      spans.map(({ usage }) => (usage ? JSON.stringify(usage) : null)),
      spans.map((span) => spanText(span)),
    ],
  )
  await markCalls(queries, run.id, spans)
  await settleCalls(queries, run.id)
  if (labels.size > 0) {
    const added = moreUse(await traceUse(queries, run.id), before)
    const trace = { runKey: run.id, day: '', isNew: false, before: labels, after: labels, added }
    await countTraceUse(queries, run.collectionId, [trace])
  }
  return true
}
