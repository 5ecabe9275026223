import { int, queryRow, text } from '../database/table.ts'

/** An item to be stored. */
export interface NewItem {
  id: string
  /** JSON text. */
  data: string
  hash: string
  bucket: number
  /** JSON text; null when it is not made from a run. */
  source: string | null
}

/** What a write does with the items that it does not name. */
export type ItemWriteMode = 'upsert' | 'replace'

/**
 * Writes items as part of the version `seq`, which the caller appends in the same transaction. The dataset must be
 * locked. Items whose content is stored already stay as they are.
 * Returns how many items are new, differ from the stored ones, and were removed.
 */
export const writeItems = queryRow(
  'write_dataset_items',
  { added: int, changed: int, removed: int },
  `with given as materialized (
       select * from unnest($4::text[], $5::text[], $6::text[], $7::smallint[], $8::text[])
         with ordinality g(item_id, data, hash, bucket, source, at)),
     before as materialized (
       select i.item_id, i.from_seq, i.position, i.hash from dataset_items i
       where i.dataset_id = $1 and i.to_seq is null
         and ($9 or i.item_id in (select item_id from given) or i.item_id = any($10))),
     fresh as materialized (
       select g.*, b.position as old_position, b.item_id is not null as existed
       from given g left join before b on b.item_id = g.item_id where b.hash is distinct from g.hash),
     gone as materialized (
       select b.item_id from before b
       where not exists (select from given g where g.item_id = b.item_id)),
     ended as (
       update dataset_items i set to_seq = $2 from before b
       where i.dataset_id = $1 and i.item_id = b.item_id and i.from_seq = b.from_seq
         and (b.item_id in (select item_id from gone) or b.item_id in (select item_id from fresh where existed))),
     made as (
       insert into dataset_items (dataset_id, item_id, from_seq, position, bucket, hash, data, source, source_trajectory,
         author)
       select $1, item_id, $2, coalesce(old_position, nextval('dataset_item_positions')), bucket, hash, data, source,
         source::json ->> 'trajectory_id', $3
       from (select * from fresh order by at) f)
     select (select count(*)::int from fresh where not existed) as added,
       (select count(*)::int from fresh where existed) as changed,
       (select count(*)::int from gone) as removed`,
  (
    at: { datasetId: number; seq: number; author: string },
    items: readonly NewItem[],
    { mode, remove }: { mode: ItemWriteMode; remove: readonly string[] },
  ) => [
    ...[at.datasetId, at.seq, at.author],
    items.map(({ id }) => id),
    items.map(({ data }) => data),
    items.map(({ hash }) => hash),
    items.map(({ bucket }) => bucket),
    items.map(({ source }) => source),
    ...[mode === 'replace', remove],
  ],
)

/** Counts the current items and hashes their ids and contents. The dataset must be locked. */
export const summarizeItems = queryRow(
  'summarize_dataset_items',
  { count: int, hash: text },
  `select count(*)::int as count,
       encode(sha256(convert_to(coalesce(string_agg(item_id || ' ' || hash, E'\\n' order by item_id collate "C"), ''), 'UTF8')), 'hex') as hash
     from dataset_items where dataset_id = $1 and to_seq is null`,
  (datasetId: number) => [datasetId],
)
