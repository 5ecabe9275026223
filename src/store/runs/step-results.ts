import { batched } from '../../lib/batch.ts'
import type { Queries } from '../database/database.ts'
import { bigint, change, int, orNull, pick, query, type Row, text } from '../database/table.ts'
import { files } from '../files/files.ts'
import { runs } from './runs.ts'

/** Identifies a reusable result: collection, activity and hash of what it was made from. */
export interface ResultKey {
  collectionId: number
  /** SHA-256, as hex digits. */
  hash: string
}

/** A completed step whose result another step may reuse. */
const foundResult = {
  /** `name` is `collection/task`. */
  ...pick(runs.columns, ['trajectory_id', 'name']),
  step: text,
  /** JSON text; a large one stands in `outputs_payload`. */
  outputs: orNull(text),
  outputs_payload: orNull(text),
  outputs_bytes: int,
  warnings: orNull(text),
}
export type FoundResult = Row<typeof foundResult>

export interface ResultLimits {
  /** Days for which a result is reused. */
  days: number
  /** Maximum results of one collection; the oldest are evicted first. */
  entries: number
}

const nameOf = ({ collectionId, hash }: ResultKey): string => `${collectionId}/${hash}`

const findResults = query(
  'find_step_results',
  { ...foundResult, collection_id: bigint, hash: text },
  `select c.collection_id, c.hash, r.trajectory_id, r.name, s.name as step, s.warnings,
         s.outputs, s.outputs_payload, coalesce(octet_length(o.body), 0) as outputs_bytes
       from unnest($1::bigint[], $2::text[]) u(collection_id, hash)
       join step_results c using (collection_id, hash)
       join steps s on s.run_id = c.run_id and s.seq = c.seq
       join runs r on r.id = c.run_id
       left join payloads o on o.id = s.outputs_payload
       where s.status = 'completed' and c.created_at > now() - $3 * interval '1 day'
         and (cardinality(c.files) = 0
           or (select count(*) from files f where f.path = any(c.files)) = cardinality(c.files))`,
  (keys: ResultKey[], days: number) => [...[keys.map((key) => key.collectionId), keys.map((key) => key.hash), days]],
)

/**
 * Makes a lookup of completed results that still exist whole: with their run, and with every file they stored.
 * Concurrent lookups share one query.
 */
export const makeResultFinder = (
  queries: Queries,
  limits: ResultLimits,
): ((key: ResultKey) => Promise<FoundResult | undefined>) =>
  batched(async (keys: ResultKey[]) => {
    const rows = await findResults(queries, keys, limits.days)
    const found = new Map(
      rows.map(({ collection_id, hash, ...result }) => [nameOf({ collectionId: collection_id, hash }), result]),
    )
    return keys.map((key) => found.get(nameOf(key)))
  }, 50)

/** Registers where the result of a step will be; lookups find it once the step is recorded as completed. */
export const keepResult = change(
  'keep_step_result',
  `insert into step_results (collection_id, hash, run_id, seq, files)
     select id, $2, $3, $4, $5 from collections where id = $1
     on conflict (collection_id, hash) do update set run_id = excluded.run_id, seq = excluded.seq,
       files = excluded.files, created_at = now()`,
  ({ collectionId, hash }: ResultKey, at: { runKey: string; seq: number; files: string[] }) => [
    ...[collectionId, hash, at.runKey, at.seq, at.files],
  ],
)

/** Resolves storage paths of a collection to the objects they refer to now. */
export const objectsAt = query(
  'objects_at',
  pick(files.columns, ['path', 'object']),
  'select path, object from files where path = any($2::text[]) and collection_id = $1 order by path',
  (collectionId: number, paths: string[]) => [collectionId, paths],
)

/** Evicts expired, surplus and orphaned entries. The server calls it periodically. */
export const sweepStepResults = change(
  'sweep_step_results',
  `delete from step_results where (collection_id, hash) in (
       select collection_id, hash from (
         select *, row_number() over (partition by collection_id order by created_at desc, hash) as place
         from step_results) placed
       where created_at <= now() - $1 * interval '1 day' or place > $2
         or not exists (select from runs where id = placed.run_id))`,
  (limits: ResultLimits) => [limits.days, limits.entries],
)
