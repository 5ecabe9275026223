import type { RunStatus, StepStatus } from '../model/workflows/workflow.ts'
import { bigint, bool, change, int, moment, orNull, query, queryOne, type Row, text, textOf } from './database/table.ts'
import { initParamsText } from './runs/runs.ts'
import { isRestoreHeld } from './system/restore-state.ts'

/** How far an export has come. */
const cursor = {
  /** Every run that ended with a change number up to this one is sent. */
  position: bigint,
  /** The run after it of which a part is sent, its own span first; null: none. */
  run_id: orNull(text),
  /** The first step of that run that is not sent, or not with all of its calls. */
  step: int,
  /** The first call of that step that is not sent; null: neither is the step. */
  call: orNull(int),
}
export type ExportCursor = Row<typeof cursor>

const claimed = { ...cursor, failures: int }

/** Row of the collector of the operator. That of a collection is its id. */
export const serverDestination = 'server'

/** Lets the export to the collector of the server begin with the runs that end from now on, where it has not begun before. */
export const beginExport = change(
  'begin_trace_export',
  `insert into trace_exports (destination, position) select '${serverDestination}', last_value from changes
   on conflict do nothing`,
)

/** Lets the export to the collector of a collection begin with the runs that end from now on, or ends it. */
export const setCollectionExport = change(
  'set_collection_export',
  `with ended as (delete from trace_exports where collection_id = $1 and not $2)
   insert into trace_exports (destination, collection_id, position)
   select $1::text, $1, last_value from changes where $2 on conflict do nothing`,
  (collectionId: number, isSet: boolean) => [collectionId, isSet],
)

/** SQL condition: something may have ended that is not sent, and no process sends. One look at a row. */
export const isExportDue = (at: string): string =>
  `(coalesce((select position < (select last_value from changes) and held_until <= ${at} from trace_exports
     where destination = '${serverDestination}'), false) and not ${isRestoreHeld})`

const hasRunsBehind = 'exists (select from runs r where r.collection_id = e.collection_id and r.changed > e.position)'

/** SQL condition: runs of a collection with a collector of its own may have ended, and no process sends them. */
export const isCollectionExportDue = (at: string): string =>
  `(exists (select from trace_exports e where held_until <= ${at} and ${hasRunsBehind}) and not ${isRestoreHeld})`

/** The collection whose runs have waited longest for a turn, apart from those that are named. */
export const nextCollectionExport = queryOne(
  'next_collection_export',
  { id: bigint, name: text },
  `select c.id, c.name from trace_exports e join collections c on c.id = e.collection_id
   where e.held_until <= to_timestamp($1::float8 / 1000) and not e.collection_id = any($2::bigint[]) and ${hasRunsBehind}
   order by e.held_until limit 1`,
  (nowMs: number, but: readonly number[]) => [nowMs, but],
)

/** A process that sends, until when nobody else may. Times are milliseconds since 1970. */
interface Hold {
  destination: string
  holder: string
  untilMs: number
}

/** Takes an export for this process, unless another has it or it waits for a collector. */
export const claimExport = queryOne(
  'claim_trace_export',
  claimed,
  `update trace_exports set holder = $2, held_until = to_timestamp($3::float8 / 1000)
   where destination = $1 and held_until <= to_timestamp($4::float8 / 1000) and not ${isRestoreHeld}
   returning position, run_id, step, call, failures`,
  ({ destination, holder, untilMs }: Hold, nowMs: number) => [destination, holder, untilMs, nowMs],
)

/** Stores how far the export has come, and keeps it. False when another process has taken it. */
export const advanceExport = change(
  'advance_trace_export',
  `update trace_exports set position = $4, run_id = $5, step = $6, call = $7, failures = 0,
     held_until = to_timestamp($3::float8 / 1000)
   where destination = $1 and holder = $2 returning true`,
  ({ destination, holder, untilMs }: Hold, to: ExportCursor) => [
    ...[destination, holder, untilMs, to.position, to.run_id, to.step, to.call],
  ],
)

/** Gives the export back: nobody sends before a time. */
export const releaseExport = change(
  'release_trace_export',
  `update trace_exports set holder = null, failures = $4, held_until = to_timestamp($3::float8 / 1000)
   where destination = $1 and holder = $2`,
  ({ destination, holder, untilMs }: Hold, failures: number) => [destination, holder, untilMs, failures],
)

const endedRun = {
  id: text,
  /** `collection/task`, as they were called at the start. */
  name: text,
  trajectory_id: text,
  /** Hash of the executed definition. */
  definition: text,
  status: textOf<RunStatus>(),
  error: orNull(text),
  author: text,
  depth: int,
  /** The trace that its caller is part of. */
  trace_context: orNull(text),
  changed: bigint,
  created_at: moment,
  started_at: orNull(moment),
  ended_at: moment,
}
export type EndedRun = Row<typeof endedRun>

/**
 * Lists runs that ended with a change number after `after` and up to `until`, in that order. What was executed elsewhere is
 * left out. `collectionId` chooses one collection; null: all. Each collection is one range of the index `runs_changed`, so that no run pays for an index of its own.
 */
export const endedRuns = query(
  'ended_runs_in_order',
  endedRun,
  `select r.id, r.name, r.trajectory_id, r.definition, r.status, r.error, r.author, r.depth::int as depth, r.trace_context, r.changed,
     r.created_at, r.started_at, r.ended_at
   from (
     select e.id, e.changed from collections c cross join lateral (
       select id, changed from runs
       where collection_id = c.id and changed > $1 and changed <= $2 and ended_at is not null and not ingested
       order by changed limit $3) e
     where $4::bigint is null or c.id = $4
     order by e.changed limit $3) e
   join runs r on r.id = e.id order by r.changed`,
  (at: { after: number; until: number; limit: number; collectionId: number | null }) => [
    ...[at.after, at.until, at.limit, at.collectionId],
  ],
)

const endedStep = {
  run_id: text,
  seq: int,
  name: text,
  /** Turn of its loop, from the second on. */
  turn: orNull(int),
  status: textOf<StepStatus>(),
  attempt: int,
  /** Whether the result was taken from another run. */
  is_reused: bool,
  /** JSON text of the failure. */
  error: orNull(text),
  /** JSON text: what its model calls used; null if it made none. */
  usage: orNull(text),
  started_at: moment,
  ended_at: orNull(moment),
}
export type EndedStep = Row<typeof endedStep>

/** Reads steps of runs in order, at most `limit`, each run's from the step that is given with it. */
export const endedSteps = query(
  'steps_of_ended_runs',
  endedStep,
  `select s.run_id, s.seq, s.name, s.turn, s.status, s.attempt, s.origin is not null as is_reused, s.error, s.usage, s.started_at, s.ended_at
   from unnest($1::text[], $2::int[]) with ordinality w(run_id, seq, place) cross join lateral (
     select * from steps where run_id = w.run_id and seq >= w.seq order by seq limit $3) s
   order by w.place, s.seq limit $3`,
  (of: { runKeys: string[]; from: number[]; limit: number }) => [of.runKeys, of.from, of.limit],
)

/** Reads the workflows that runs executed, as JSON text. */
export const workflowsOf = query(
  'workflows_of_ended_runs',
  { hash: text, workflow: text },
  'select hash, workflow from definitions where hash = any($1::text[])',
  (hashes: string[]) => [hashes],
)

/** Reads the beginning of the parameters of a run, as JSON text. */
export const parametersOfRun = queryOne(
  'parameters_of_ended_run',
  { text: orNull(text) },
  `select left(${initParamsText}, $2) as text from runs r where r.id = $1`,
  (runKey: string, characters: number) => [runKey, characters],
)
