import type { Queries } from '../database/database.ts'
import {
  bigint,
  bool,
  int,
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
import { type ItemPage, queryPage } from './item-page.ts'

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
