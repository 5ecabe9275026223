import type { Queries } from '../database/database.ts'
import {
  bigint,
  bool,
  type Columns,
  int,
  listsOf,
  moment,
  namesOf,
  orNull,
  query,
  queryOne,
  queryRow,
  queryValue,
  type Row,
  smallint,
  table,
  text,
} from '../database/table.ts'
import { anywhere } from '../runs/lists/run-filter.ts'

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
    ...listsOf(['id', 'data', 'hash', 'bucket', 'source'], items),
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

/** A page of rows, which ends at its limit, or earlier where the data in it are large. */
export interface ItemPage<Row> {
  rows: Row[]
  hasMore: boolean
}

/** A page with larger data has one row. The database sends no more: items may have megabytes each. */
const pageBytes = 8 * 1024 * 1024

/**
 * Declares the statement of a page from one that has a row more than the limit. `size` is an SQL expression for the bytes of
 * a row, and `order` for the place of a row in the list.
 */
export const queryPage = <const Of extends Columns, Arguments extends unknown[]>(
  name: string,
  row: Of,
  text: string,
  { limit, size = 'octet_length(data)', order = 'position' }: { limit: string; size?: string; order?: string },
  values: (...args: Arguments) => unknown[],
): ((queries: Queries, ...args: Arguments) => Promise<ItemPage<Row<Of>>>) => {
  const read = query(
    name,
    { ...row, page_rows: bigint, page_row: bigint, bytes_before: bigint },
    `select * from (
     select page.*, count(*) over () as page_rows, row_number() over (order by ${order}) as page_row,
       sum(${size}) over (order by ${order}) - (${size}) as bytes_before
     from (${text}) page) cut
   where page_row <= ${limit} and bytes_before < ${pageBytes} order by page_row`,
    values,
  )
  return async (queries, ...args) => {
    const rows = (await read(queries, ...args)) as (Row<Of> & { page_rows: number })[]
    return { rows, hasMore: (rows[0]?.page_rows ?? 0) > rows.length }
  }
}

export const datasetItems = table('dataset_items', {
  item_id: text,
  position: bigint,
  bucket: smallint,
  /** SHA-256 of the canonical JSON of the data. */
  hash: text,
  /** JSON text. */
  data: text,
  /** JSON text; null when it was not made from a run. */
  source: orNull(text),
  /** First version with this content. */
  from_seq: int,
  /** First version without the item; null if the newest version still has it. */
  to_seq: orNull(int),
  author: text,
  created_at: moment,
})
const { columns } = datasetItems
/** Content of an item of a dataset. */
export type ItemRow = Row<typeof columns>

/** The items of one version, and of one split if buckets are given. */
export interface ItemsAt {
  datasetId: number
  seq: number
  /** First bucket, and the one after the last. */
  buckets?: readonly [number, number] | undefined
}

const selectItems = `select ${namesOf(columns)} from dataset_items`

/** SQL condition: the row is of version `$2`, and its bucket between `$3` and `$4`. */
const isAt = `dataset_id = $1 and from_seq <= $2 and (to_seq is null or to_seq > $2) and bucket >= $3 and bucket < $4`

const values = ({ datasetId, seq, buckets }: ItemsAt) => [datasetId, seq, buckets?.[0] ?? 0, buckets?.[1] ?? 32_767]

/** Lists items after a position, in order. */
export const listItems = queryPage(
  'list_dataset_items',
  columns,
  `${selectItems} where ${isAt} and position > $5 order by position limit $6::int + 1`,
  { limit: '$6' },
  (at: ItemsAt, page: { after: number; limit: number }) => [...values(at), page.after, page.limit],
)

/** One call looks through no more items, and no more of their data: a rare text would be searched for in all of them. */
export const searchedAtOnce = { items: 20_000, bytes: 16 * 1024 * 1024 }

/** Items that contain a text, among some after a position. */
interface FoundItems extends ItemPage<ItemRow> {
  /** How many items were looked through. */
  searched: number
  /** Position up to which all items have been shown or do not contain the text; null at the end. */
  next: number | null
}

const itemsToSearch = queryRow(
  'dataset_items_to_search',
  { until: orNull(bigint), searched: int, is_end: bool },
  // The length of a text is known without reading it.
  `select max(position) as until, count(*)::int as searched, count(*) = coalesce(max(rows), 0) and count(*) < $6 as is_end
     from (select position, size, sum(size) over (order by position) - size as before, count(*) over () as rows
       from (select position, octet_length(data) as size from dataset_items where ${isAt} and position > $5
             order by position limit $6) listed) sized
     where before < ${searchedAtOnce.bytes}`,
  (at: ItemsAt, after: number) => [...values(at), after, searchedAtOnce.items],
)
const searchBetween = queryPage(
  'search_dataset_items',
  columns,
  `${selectItems} where ${isAt} and position > $5 and position <= $6
           and (item_id ilike $7 or data ilike $8) order by position limit $9::int + 1`,
  { limit: '$9' },
  (at: ItemsAt, { text, after, limit }: { text: string; after: number; limit: number }, until: number) => [
    ...[...values(at), after, until, anywhere(text), anywhere(JSON.stringify(text).slice(1, -1)), limit],
  ],
)

/** Finds items whose id or data (as JSON) contain a text, in any case: looks through some items after a position. */
export const searchItems = async (
  queries: Queries,
  at: ItemsAt,
  page: { text: string; after: number; limit: number },
): Promise<FoundItems> => {
  const part = await itemsToSearch(queries, at, page.after)
  const until = part.until ?? page.after
  const found = await searchBetween(queries, at, page, until)
  const last = found.rows.at(-1)?.position
  const next = found.hasMore && last !== undefined ? last : part.is_end ? null : until
  return { ...found, searched: part.searched, next }
}

/** Reads all items of a version or split, a page at a time. */
export async function* eachItem(queries: Queries, at: ItemsAt): AsyncGenerator<ItemRow> {
  for (let after = 0; ; ) {
    const { rows, hasMore } = await listItems(queries, at, { after, limit: itemsAtOnce })
    yield* rows
    if (!hasMore) return
    after = rows.at(-1)?.position ?? after
  }
}

const itemsAtOnce = 500

export const countItems = queryValue(
  'count_dataset_items',
  { total: int },
  `select count(*)::int as total from dataset_items where ${isAt}`,
  values,
)

const hashesNow = query(
  'current_item_hashes',
  { item_id: text, hash: text },
  // Each is looked up by the index: to compare every item with every id takes seconds for some ten thousand.
  `select given.item_id, i.hash from unnest($2::text[]) given(item_id) cross join lateral (
       select hash from dataset_items where dataset_id = $1 and item_id = given.item_id and to_seq is null
       order by from_seq desc limit 1) i`,
  (datasetId: number, itemIds: string[]) => [datasetId, itemIds],
)
const countNow = queryValue(
  'count_current_items',
  { count: int },
  'select count(*)::int as count from dataset_items where dataset_id = $1 and to_seq is null',
  (datasetId: number) => [datasetId],
)

/** Reads the hashes of current items by their ids, and how many items there are. */
export const currentHashes = async (
  queries: Queries,
  datasetId: number,
  itemIds: string[],
): Promise<{ hashes: Map<string, string>; count: number }> => {
  const found = await hashesNow(queries, datasetId, itemIds)
  const count = await countNow(queries, datasetId)
  return { hashes: new Map(found.map(({ item_id: id, hash }) => [id, hash])), count }
}

/** Finds an item as it was in a version. */
export const findItem = queryOne(
  'find_dataset_item',
  columns,
  `${selectItems}
       where dataset_id = $1 and item_id = $3 and from_seq <= $2 and (to_seq is null or to_seq > $2)`,
  (at: { datasetId: number; seq: number; itemId: string }) => [at.datasetId, at.seq, at.itemId],
)

/** Lists what an item has been, newest first. */
export const itemRevisions = queryPage(
  'dataset_item_revisions',
  columns,
  `${selectItems} where dataset_id = $1 and item_id = $2 and from_seq < $3
         order by from_seq desc limit $4::int + 1`,
  { limit: '$4', order: 'from_seq desc' },
  (at: { datasetId: number; itemId: string; below: number; limit: number }) => [
    ...[at.datasetId, at.itemId, at.below, at.limit],
  ],
)

/** Lists the items that differ between two versions, after a position, in order. A version without the item has null. */
export const itemDifferences = queryPage(
  'dataset_item_differences',
  { item_id: text, position: bigint, before: orNull(text), after: orNull(text) },
  `with o as (select item_id, position, hash, data from dataset_items
         where dataset_id = $1 and from_seq <= $2 and (to_seq is null or to_seq > $2)
           and (from_seq > $3 or (to_seq is not null and to_seq <= $3)) and position > $4),
       n as (select item_id, position, hash, data from dataset_items
         where dataset_id = $1 and from_seq <= $3 and (to_seq is null or to_seq > $3)
           and (from_seq > $2 or (to_seq is not null and to_seq <= $2)) and position > $4)
     select coalesce(o.item_id, n.item_id) as item_id, coalesce(o.position, n.position) as position,
       o.data as before, n.data as after
     from o full join n on n.item_id = o.item_id
     where o.hash is distinct from n.hash order by 2 limit $5::int + 1`,
  { limit: '$5', size: "octet_length(coalesce(before, '')) + octet_length(coalesce(after, ''))" },
  (at: { datasetId: number; from: number; to: number; after: number; limit: number }) => [
    ...[at.datasetId, at.from, at.to, at.after, at.limit],
  ],
)
