import type { Queries } from '../database/database.ts'
import { anywhere } from '../runs/lists/run-filter.ts'
import { type ItemPage, itemPageOf, pageQuery } from './item-page.ts'

/** Content of an item of a dataset. */
export interface ItemRow {
  item_id: string
  position: number
  bucket: number
  /** SHA-256 of the canonical JSON of the data. */
  hash: string
  /** JSON text. */
  data: string
  /** JSON text; null when it was not made from a run. */
  source: string | null
  /** First version with this content. */
  from_seq: number
  /** First version without the item; null if the newest version still has it. */
  to_seq: number | null
  author: string
  created_at: Date
}

/** The items of one version, and of one split if buckets are given. */
export interface ItemsAt {
  datasetId: number
  seq: number
  /** First bucket, and the one after the last. */
  buckets?: readonly [number, number] | undefined
}

const columns = 'item_id, position, bucket, hash, data, source, from_seq, to_seq, author, created_at'

/** SQL condition: the row is of version `$2`, and its bucket between `$3` and `$4`. */
const isAt = `dataset_id = $1 and from_seq <= $2 and (to_seq is null or to_seq > $2) and bucket >= $3 and bucket < $4`

const values = ({ datasetId, seq, buckets }: ItemsAt) => [datasetId, seq, buckets?.[0] ?? 0, buckets?.[1] ?? 32_767]

/** Lists items after a position, in order. */
export const listItems = async (
  queries: Queries,
  at: ItemsAt,
  page: { after: number; limit: number },
): Promise<ItemPage<ItemRow>> =>
  itemPageOf(
    await queries.rows<ItemRow>(
      'list_dataset_items',
      pageQuery(
        `select ${columns} from dataset_items where ${isAt} and position > $5 order by position limit $6::int + 1`,
        { limit: '$6', size: 'octet_length(data)', order: 'position' },
      ),
      [...values(at), page.after, page.limit],
    ),
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

/** Finds items whose id or data (as JSON) contain a text, in any case: looks through some items after a position. */
export const searchItems = async (
  queries: Queries,
  at: ItemsAt,
  page: { text: string; after: number; limit: number },
): Promise<FoundItems> => {
  const [part] = await queries.rows<{ until: number | null; searched: number; is_end: boolean }>(
    'dataset_items_to_search',
    // The length of a text is known without reading it.
    `select max(position) as until, count(*)::int as searched, count(*) = coalesce(max(rows), 0) and count(*) < $6 as is_end
     from (select position, size, sum(size) over (order by position) - size as before, count(*) over () as rows
       from (select position, octet_length(data) as size from dataset_items where ${isAt} and position > $5
             order by position limit $6) listed) sized
     where before < ${searchedAtOnce.bytes}`,
    [...values(at), page.after, searchedAtOnce.items],
  )
  const until = part?.until ?? page.after
  const found = itemPageOf(
    await queries.rows<ItemRow>(
      'search_dataset_items',
      pageQuery(
        `select ${columns} from dataset_items where ${isAt} and position > $5 and position <= $6
           and (item_id ilike $7 or data ilike $8) order by position limit $9::int + 1`,
        { limit: '$9', size: 'octet_length(data)', order: 'position' },
      ),
      [
        ...values(at),
        page.after,
        until,
        anywhere(page.text),
        anywhere(JSON.stringify(page.text).slice(1, -1)),
        page.limit,
      ],
    ),
  )
  const last = found.rows.at(-1)?.position
  const next = found.hasMore && last !== undefined ? last : part?.is_end === false ? until : null
  return { ...found, searched: part?.searched ?? 0, next }
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

export const countItems = async (queries: Queries, at: ItemsAt): Promise<number> =>
  (
    await queries.rows<{ total: number }>(
      'count_dataset_items',
      `select count(*)::int as total from dataset_items where ${isAt}`,
      values(at),
    )
  )[0]?.total ?? 0

/** Reads the hashes of current items by their ids, and how many items there are. */
export const currentHashes = async (
  queries: Queries,
  datasetId: number,
  itemIds: string[],
): Promise<{ hashes: Map<string, string>; count: number }> => {
  const found = await queries.rows<{ item_id: string; hash: string }>(
    'current_item_hashes',
    // Each is looked up by the index: to compare every item with every id takes seconds for some ten thousand.
    `select given.item_id, i.hash from unnest($2::text[]) given(item_id) cross join lateral (
       select hash from dataset_items where dataset_id = $1 and item_id = given.item_id and to_seq is null
       order by from_seq desc limit 1) i`,
    [datasetId, itemIds],
  )
  const [row] = await queries.rows<{ count: number }>(
    'count_current_items',
    'select count(*)::int as count from dataset_items where dataset_id = $1 and to_seq is null',
    [datasetId],
  )
  return { hashes: new Map(found.map(({ item_id: id, hash }) => [id, hash])), count: row?.count ?? 0 }
}

/** Finds an item as it was in a version. */
export const findItem = async (
  queries: Queries,
  at: { datasetId: number; seq: number; itemId: string },
): Promise<ItemRow | undefined> =>
  (
    await queries.rows<ItemRow>(
      'find_dataset_item',
      `select ${columns} from dataset_items
       where dataset_id = $1 and item_id = $3 and from_seq <= $2 and (to_seq is null or to_seq > $2)`,
      [at.datasetId, at.seq, at.itemId],
    )
  )[0]

/** Lists what an item has been, newest first. */
export const itemRevisions = async (
  queries: Queries,
  at: { datasetId: number; itemId: string; below: number; limit: number },
): Promise<ItemPage<ItemRow>> =>
  itemPageOf(
    await queries.rows<ItemRow>(
      'dataset_item_revisions',
      pageQuery(
        `select ${columns} from dataset_items where dataset_id = $1 and item_id = $2 and from_seq < $3
         order by from_seq desc limit $4::int + 1`,
        { limit: '$4', size: 'octet_length(data)', order: 'from_seq desc' },
      ),
      [at.datasetId, at.itemId, at.below, at.limit],
    ),
  )

/** An item that differs between two versions; null where a version does not have it. */
interface ItemDifference {
  item_id: string
  position: number
  before: string | null
  after: string | null
}

/** Lists the items that differ between two versions, after a position, in order. */
export const itemDifferences = async (
  queries: Queries,
  at: { datasetId: number; from: number; to: number; after: number; limit: number },
): Promise<ItemPage<ItemDifference>> =>
  itemPageOf(
    await queries.rows<ItemDifference>(
      'dataset_item_differences',
      pageQuery(differences, {
        ...{ limit: '$5', size: "octet_length(coalesce(before, '')) + octet_length(coalesce(after, ''))" },
        order: 'position',
      }),
      [at.datasetId, at.from, at.to, at.after, at.limit],
    ),
  )

const differences = `with o as (select item_id, position, hash, data from dataset_items
         where dataset_id = $1 and from_seq <= $2 and (to_seq is null or to_seq > $2)
           and (from_seq > $3 or (to_seq is not null and to_seq <= $3)) and position > $4),
       n as (select item_id, position, hash, data from dataset_items
         where dataset_id = $1 and from_seq <= $3 and (to_seq is null or to_seq > $3)
           and (from_seq > $2 or (to_seq is not null and to_seq <= $2)) and position > $4)
     select coalesce(o.item_id, n.item_id) as item_id, coalesce(o.position, n.position) as position,
       o.data as before, n.data as after
     from o full join n on n.item_id = o.item_id
     where o.hash is distinct from n.hash order by 2 limit $5::int + 1`
