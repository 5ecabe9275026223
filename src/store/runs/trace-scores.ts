import type { Queries } from '../database/database.ts'
import { change, int, nothing, query, queryOne, queryRow, text } from '../database/table.ts'
import { writeLabels } from './labels.ts'

/** A judgement of a trace by another program, as labels of its run. */
export interface TraceScore {
  traceId: string
  collectionId: number
  labels: readonly { key: string; value: string }[]
  author: string
  /** Who set it, as authenticated. */
  recordedBy: string
}

/** Locks traces of a collection: what arrives for one of them at once is written one after the other. */
export const holdTraces = query(
  'hold_traces',
  { held: nothing },
  `select pg_advisory_xact_lock(key) held from (
     select hashtextextended(id, $2) key from unnest($1::text[]) id order by 1 offset 0) keys`,
  (traceIds: readonly string[], collectionId: number) => [traceIds, collectionId],
)

const findRun = queryOne(
  'scored_run',
  { id: text },
  `select id from runs r where trajectory_id = $1 and collection_id = $2
     order by exists (select from spans where run_id = r.id) desc, created_at desc limit 1`,
  (traceId: string, collectionId: number) => [traceId, collectionId],
)

/** Scores that wait in a collection for their traces, and for how long. */
const mostEarly = 10_000
const keptFor = "interval '1 day'"

const countEarly = queryRow(
  'count_early_scores',
  { waiting: int },
  `with gone as (delete from early_scores where collection_id = $1 and created_at < now() - ${keptFor})
   select count(*)::int waiting from early_scores where collection_id = $1 and created_at >= now() - ${keptFor}`,
  (collectionId: number) => [collectionId],
)

const keepEarly = change(
  'keep_early_scores',
  `insert into early_scores (collection_id, trace_id, key, value, author, recorded_by)
     select $1, $2, key, value, $3, $4 from unnest($5::text[], $6::text[]) u(key, value)
     on conflict (collection_id, trace_id, key, author) do update
       set value = excluded.value, recorded_by = excluded.recorded_by, created_at = excluded.created_at`,
  ({ collectionId, traceId, author, recordedBy, labels }: TraceScore) => [
    ...[collectionId, traceId, author, recordedBy],
    labels.map(({ key }) => key),
    labels.map(({ value }) => value),
  ],
)

const takeEarly = query(
  'take_early_scores',
  { trace_id: text, key: text, value: text, author: text, recorded_by: text },
  `delete from early_scores where collection_id = $1 and trace_id = any($2)
     returning trace_id, key, value, author, recorded_by`,
  (collectionId: number, traceIds: string[]) => [collectionId, traceIds],
)

/**
 * Gives runs of traces the scores that came before them; further ones than a run may have labels are dropped. `runs` has
 * their keys by trace.
 */
export const giveEarlyScores = async (
  queries: Queries,
  collectionId: number,
  runs: ReadonlyMap<string, string>,
  mostLabels: number,
): Promise<void> => {
  const scores = runs.size > 0 ? await takeEarly(queries, collectionId, [...runs.keys()]) : []
  const labels = scores.flatMap(({ trace_id, recorded_by: recordedBy, ...label }) => {
    const runId = runs.get(trace_id)
    return runId === undefined ? [] : { runId, ...label, recordedBy }
  })
  await writeLabels(queries, labels, mostLabels)
}

/** What became of a score: `set` on the run, `early` before its trace, or refused for one of two limits. */
type ScoreOutcome = 'set' | 'early' | 'too_many_early' | 'too_many_labels'

/**
 * Sets the labels of a score on the run with the id of a trace; without such a run it waits for one for a day. Runs in the
 * caller's transaction, which must be one of `insist`.
 */
export const setScore = async (queries: Queries, score: TraceScore, mostLabels: number): Promise<ScoreOutcome> => {
  const { traceId, collectionId, labels, author, recordedBy } = score
  await holdTraces(queries, [traceId], collectionId)
  const run = await findRun(queries, traceId, collectionId)
  if (run) {
    const given = labels.map((label) => ({ runId: run.id, ...label, author, recordedBy }))
    return (await writeLabels(queries, given, mostLabels)).includes(undefined) ? 'too_many_labels' : 'set'
  }
  const { waiting } = await countEarly(queries, collectionId)
  if (waiting >= mostEarly) return 'too_many_early'
  await keepEarly(queries, score)
  return 'early'
}
