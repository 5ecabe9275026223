import { invalidField } from '../../lib/errors.ts'
import type { Queries } from '../../store/database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import type { ItemPage } from '../../store/items/item-page.ts'
import {
  countItems,
  findItem,
  itemDifferences,
  itemRevisions,
  listItems,
  searchItems,
} from '../../store/items/items.ts'
import { getEntityVersion } from '../entities/versions.ts'
import { makeShownItem } from './shown.ts'
import { bucketsOf } from './splits.ts'

interface PageQuery {
  limit: number
  cursor?: string | undefined
}

const parsed = (text: string | null) => (text === null ? null : (JSON.parse(text) as Record<string, unknown>))

const cursorAfter = <Row>({ rows, hasMore }: ItemPage<Row>, placeOf: (row: Row) => number): string | null => {
  const last = rows.at(-1)
  return last && hasMore ? String(placeOf(last)) : null
}

type ItemsQuery = PageQuery & Partial<Record<'split' | 'id' | 'q', string | undefined>> & { version: string }

/** Reads one page of the items of a version, or of one of its splits; those with a text, or the only one with an id. */
export const itemPage = async (database: Queries, dataset: EntityRow, query: ItemsQuery) => {
  const { seq } = await getEntityVersion(database, dataset, query.version)
  if (query.id !== undefined && query.q !== undefined) {
    throw invalidField(['query', 'q'], 'Give id or q, not both', 'one_of')
  }
  if (query.id !== undefined) return onlyItem(database, dataset, { ...query, seq, id: query.id })
  const at = { datasetId: dataset.id, seq, buckets: bucketsOf(dataset.splits, query.split) }
  const limits = { after: Number(query.cursor ?? 0), limit: query.limit }
  if (query.q !== undefined) {
    const [total, found] = await Promise.all([
      countItems(database, at),
      searchItems(database, at, { ...limits, text: query.q }),
    ])
    const items = found.rows.map(makeShownItem(dataset))
    const cursor = found.next === null ? null : String(found.next)
    return { version: seq, total, searched: found.searched, items, next_cursor: cursor }
  }
  const [total, page] = await Promise.all([countItems(database, at), listItems(database, at, limits)])
  const items = page.rows.map(makeShownItem(dataset))
  return { version: seq, total, items, next_cursor: cursorAfter(page, ({ position }) => position) }
}

const onlyItem = async (
  database: Queries,
  dataset: EntityRow,
  { seq, id, split }: { seq: number; id: string; split?: string | undefined },
) => {
  bucketsOf(dataset.splits, split) // throws for a split that the dataset does not have
  const row = await findItem(database, { datasetId: dataset.id, seq, itemId: id })
  const items = (row ? [row] : []).map(makeShownItem(dataset)).filter((item) => !split || item.split === split)
  return { version: seq, total: items.length, items, next_cursor: null }
}

/** Reads one page of the differences between two versions. */
export const differencePage = async (
  database: Queries,
  dataset: EntityRow,
  query: PageQuery & { from: string; to: string },
) => {
  const { seq: from } = await getEntityVersion(database, dataset, query.from)
  const { seq: to } = await getEntityVersion(database, dataset, query.to)
  const limits = { after: Number(query.cursor ?? 0), limit: query.limit }
  const page = await itemDifferences(database, { datasetId: dataset.id, from, to, ...limits })
  const items = page.rows.map(({ item_id: id, before, after }) => ({
    id,
    change: before === null ? ('added' as const) : after === null ? ('removed' as const) : ('changed' as const),
    before: parsed(before),
    after: parsed(after),
  }))
  return { from, to, items, next_cursor: cursorAfter(page, ({ position }) => position) }
}

/** Reads one page of the revisions of an item, newest first. */
export const revisionPage = async (database: Queries, dataset: EntityRow, itemId: string, query: PageQuery) => {
  const below = query.cursor === undefined ? 2_147_483_647 : Number(query.cursor)
  const page = await itemRevisions(database, { datasetId: dataset.id, itemId, below, limit: query.limit })
  const shown = makeShownItem(dataset)
  const revisions = page.rows.map((row) => ({ ...shown(row), until_version: row.to_seq }))
  return { revisions, next_cursor: cursorAfter(page, ({ from_seq }) => from_seq) }
}
