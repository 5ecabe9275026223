import { timestamp } from '../../lib/time.ts'
import type { ItemOrigin } from '../../model/data/item.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import type { ItemRow } from '../../store/items/items.ts'
import { makeSplitOf } from './splits.ts'

/** Makes the function that shows an item of a dataset. */
export const makeShownItem = ({ splits }: Pick<EntityRow, 'splits'>) => {
  const splitOf = makeSplitOf(splits)
  return (row: ItemRow) => ({
    id: row.item_id,
    data: JSON.parse(row.data) as Record<string, unknown>,
    split: splitOf(row.bucket),
    hash: row.hash,
    source: row.source === null ? null : (JSON.parse(row.source) as ItemOrigin),
    version: row.from_seq,
    author: row.author,
    created_at: timestamp(row.created_at),
  })
}
