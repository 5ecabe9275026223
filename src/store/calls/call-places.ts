import { batched } from '../../lib/batch.ts'
import { readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { FoundPlace } from '../../model/collections/identity.ts'
import { isName } from '../../model/names.ts'
import type { Database } from '../database/database.ts'
import { bigint, orNull, query, text } from '../database/table.ts'

const findPlaces = query(
  'find_called_places',
  { id: bigint, name: text, payer: bigint, settings: orNull(text), environment_id: orNull(bigint), key: text },
  `select id, name, payer, settings, environment_id, lower(name) as key from collections
       where lower(name) = any($1) or id = any($2)`,
  (names: string[], ids: number[]) => [[...new Set(names)], [...new Set(ids)]],
)

/**
 * Finds a collection by name (case-insensitive) or id, with its environment version. Concurrent lookups share one
 * query.
 */
export const makePlaceFinder = (database: Database): ((of: string | number) => Promise<FoundPlace | undefined>) => {
  const find = batched<string | number, FoundPlace | undefined>(async (asked) => {
    const names = asked.filter((of) => typeof of === 'string')
    const ids = asked.filter((of) => typeof of === 'number')
    const rows = await findPlaces(database, names, ids)
    const places = rows.map(({ key, settings, ...row }) => ({
      key,
      place: { ...row, settings: readCollectionSettings(settings) },
    }))
    const byName = new Map(places.map(({ key, place }) => [key, place]))
    const byId = new Map(places.map(({ place }) => [place.id, place]))
    return asked.map((of) => (typeof of === 'string' ? byName.get(of) : byId.get(of)))
  })
  return async (of) => {
    if (typeof of === 'number') return find(of)
    return isName(of) ? find(of.toLowerCase()) : undefined
  }
}
