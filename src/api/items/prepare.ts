import { createHash } from 'node:crypto'
import { invalidField } from '../../lib/errors.ts'
import type { JsonObject } from '../../lib/json/json-object.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import type { Pieces } from '../../lib/slices.ts'
import { splitBuckets } from '../../model/data/splits.ts'
import type { NewItem } from '../../store/items/items.ts'

/** An item as a caller gave it. */
export interface GivenItem {
  id?: string | undefined
  data: JsonObject
  source?: object | undefined
}

const sha256 = (text: string) => createHash('sha256').update(text).digest()
const idCharacters = 16

/** The bucket of an item, from the hash of its id: it stays the same when other items come. */
export const bucketOf = (id: string): number => sha256(id).readUInt32BE(0) % splitBuckets

/**
 * Makes items to be stored. Without an id, the id is the beginning of the hash of the data. Throws a 422 for two items
 * with one id; the same data twice without ids is one item.
 */
export function* preparedItems(
  given: readonly GivenItem[],
  loc: (at: number) => (string | number)[],
): Pieces<NewItem[]> {
  const places = new Map<string, { at: number; item: NewItem }>()
  for (const [at, { id: named, data, source }] of given.entries()) {
    const hash = sha256(canonicalJson(data)).toString('hex')
    const id = named ?? hash.slice(0, idCharacters)
    const earlier = places.get(id)
    if (earlier && (named !== undefined || earlier.item.hash !== hash)) {
      const message = `Items ${earlier.at} and ${at} have the same id '${id}'`
      throw invalidField([...loc(at), 'id'], message, 'duplicate')
    }
    const item = { id, data: JSON.stringify(data), hash, bucket: bucketOf(id) }
    places.set(id, { at: earlier?.at ?? at, item: { ...item, source: source ? JSON.stringify(source) : null } })
    yield
  }
  return [...places.values()].map(({ item }) => item)
}
