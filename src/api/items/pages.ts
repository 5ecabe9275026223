import type { Queries } from '../../database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { countItems, itemDifferences, itemRevisions, listItems } from '../../store/items/items.ts'
import { getEntityVersion } from '../entities/versions.ts'
import { makeShownItem } from './shown.ts'
import { bucketsOf } from './splits.ts'

interface PageQuery {
  limit: number
  cursor?: string | undefined
}

const parsed = (text: string | null) => (text === null ? null : (JSON.parse(text) as Record<string, unknown>))

/** Cuts a page from rows that were read with one more than its limit. */
const cut = <Row>(rows: Row[], limit: number, cursorOf: (row: Row) => number) => {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return { page, next_cursor: last && rows.length > limit ? String(cursorOf(last)) : null }
}

/** Reads one page of the items of a version, or of one of its splits. */
export const itemPage = async (
  database: Queries,
  dataset: EntityRow,
  query: PageQuery & { version: string; split?: string | undefined },
) => {
  const { seq } = await getEntityVersion(database, dataset, query.version)
  const at = { datasetId: dataset.id, seq, buckets: bucketsOf(dataset.splits, query.split) }
  const [total, rows] = await Promise.all([
    countItems(database, at),
    listItems(database, at, { after: Number(query.cursor ?? 0), limit: query.limit + 1 }),
  ])
  const { page, next_cursor } = cut(rows, query.limit, ({ position }) => position)
  return { version: seq, total, items: page.map(makeShownItem(dataset)), next_cursor }
}

/** Reads one page of the differences between two versions. */
export const differencePage = async (
  database: Queries,
  dataset: EntityRow,
  query: PageQuery & { from: string; to: string },
) => {
  const { seq: from } = await getEntityVersion(database, dataset, query.from)
  const { seq: to } = await getEntityVersion(database, dataset, query.to)
  const limits = { after: Number(query.cursor ?? 0), limit: query.limit + 1 }
  const rows = await itemDifferences(database, { datasetId: dataset.id, from, to, ...limits })
  const { page, next_cursor } = cut(rows, query.limit, ({ position }) => position)
  const items = page.map(({ item_id: id, before, after }) => ({
    id,
    change: before === null ? ('added' as const) : after === null ? ('removed' as const) : ('changed' as const),
    before: parsed(before),
    after: parsed(after),
  }))
  return { from, to, items, next_cursor }
}

/** Reads one page of the revisions of an item, newest first. */
export const revisionPage = async (database: Queries, dataset: EntityRow, itemId: string, query: PageQuery) => {
  const below = query.cursor === undefined ? 2_147_483_647 : Number(query.cursor)
  const rows = await itemRevisions(database, { datasetId: dataset.id, itemId, below, limit: query.limit + 1 })
  const { page, next_cursor } = cut(rows, query.limit, ({ from_seq }) => from_seq)
  const shown = makeShownItem(dataset)
  return { revisions: page.map((row) => ({ ...shown(row), until_version: row.to_seq })), next_cursor }
}
