import { AppError } from '../../lib/errors.ts'
import type { JsonObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import type { ItemCheck } from '../../model/data/item-check.ts'
import type { Queries } from '../../store/database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { currentHashes } from '../../store/items/items.ts'
import type { ItemWriteMode, NewItem } from '../../store/items/write-items.ts'
import { makeItemCheck } from './item-schema.ts'
import { type GivenItem, preparedItems } from './prepare.ts'

const mostRefused = 100
const mostShown = 50

interface Given {
  given: readonly GivenItem[]
  /** Line of each item in its file. */
  lines: readonly number[]
  mode: ItemWriteMode
}

type Refused = ItemCheck['refused'][number]

/** The items that fit with their lines, and what is wrong with the others. */
const sorted = async (schemaText: string | null, { given, lines }: Given) => {
  const check = makeItemCheck(schemaText, given.length)
  const refused: Refused[] = []
  let refusedCount = 0
  // Only what is shown is kept: each of many rows may have many faults.
  const refuse = (faults: Refused[]): void => {
    refusedCount++
    refused.push(...faults.slice(0, mostRefused - refused.length))
  }
  const fitting: { item: NewItem; line: number; data: JsonObject }[] = []
  const places = new Map<string, { hash: string; line: number }>()
  for (const [at, one] of given.entries()) {
    const line = lines[at] ?? 0
    const [item] = preparedItems([one], () => [])
    if (!item) continue
    const issues = check ? await check({ id: item.id, data: one.data }) : []
    const earlier = places.get(item.id)
    if (earlier && earlier.hash === item.hash && one.id === undefined) continue
    const faults = issues.map(({ path, message }) => ({ pointer: jsonPointer(path), message }))
    if (earlier) faults.unshift({ pointer: '', message: `has the id of line ${earlier.line}` })
    if (faults.length > 0) {
      refuse(faults.map((fault) => ({ line, id: item.id, ...fault })))
      continue
    }
    places.set(item.id, { hash: item.hash, line })
    fitting.push({ item, line, data: one.data })
  }
  return { refused, refusedCount, fitting }
}

/** Says what a write of items would come to. Nothing is written. */
export const checkItems = async (
  queries: Queries,
  dataset: EntityRow,
  { write, most }: { write: Given; most: number },
): Promise<ItemCheck> => {
  const { refused, refusedCount, fitting } = await sorted(dataset.item_schema, write)
  const { hashes, count } = await currentHashes(
    queries,
    dataset.id,
    fitting.map(({ item }) => item.id),
  )
  const changeOf = ({ id, hash }: NewItem) =>
    hashes.get(id) === undefined ? 'added' : hashes.get(id) === hash ? 'unchanged' : 'changed'
  const counts = { added: 0, changed: 0, unchanged: 0 }
  for (const { item } of fitting) counts[changeOf(item)]++
  const removed = write.mode === 'replace' ? count - hashes.size : 0
  const total = count - removed + counts.added
  if (total > most)
    throw new AppError('too_large', `A dataset has at most ${most} items; JETTY_MAX_DATASET_ITEMS sets the limit`)
  return {
    ...counts,
    removed,
    count: total,
    refused,
    refused_count: refusedCount,
    items: fitting
      .slice(0, mostShown)
      .map(({ item, line, data }) => ({ line, id: item.id, change: changeOf(item), data })),
  }
}
