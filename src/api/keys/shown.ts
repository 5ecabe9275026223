import { timestamp, timestampOrNull } from '../../lib/time.ts'
import { covers, type Identity } from '../../model/collections/identity.ts'
import type { Key } from '../../model/collections/key.ts'
import type { EndedKeys, KeyRow } from '../../store/collections/keys.ts'

/** Shows a key, with only those of its collections that the caller covers as well. */
export const shownKey = (row: KeyRow, identity: Identity): Key => {
  const all = row.collection_ids.map((id, index) => ({ id, name: row.collections[index] as string }))
  const seen = all.filter(({ id }) => covers(identity, id))
  const home = seen.find(({ id }) => id === row.home_collection_id)
  // A visible key shares at least one collection with the caller.
  const own = (home ?? seen[0]) as { id: number; name: string }
  return {
    id: row.id,
    collection_id: own.id,
    collection_name: own.name,
    home_collection: home?.name ?? null,
    collections: seen.map(({ name }) => name),
    name: row.name,
    key_prefix: row.key_prefix,
    access_level: row.access_level,
    is_active: row.is_active,
    created_at: timestamp(row.created_at),
    created_by_agent_id: null,
    created_by: row.created_by,
    made_by_key_id: row.made_by,
    expires_at: timestampOrNull(row.expires_at),
    last_used_at: timestampOrNull(row.last_used_at),
  }
}

/** Description of a key for the audit trail. */
export const notedKey = (row: KeyRow) => ({
  target: String(row.id),
  collections: row.collection_ids.map((id, index) => ({ id, name: row.collections[index] as string })),
  changes: {
    name: row.name,
    key_prefix: row.key_prefix,
    access_level: row.access_level,
    is_active: row.is_active,
    expires_at: timestampOrNull(row.expires_at),
  },
})

/** Description of a key ended together with others, for the audit trail of each collection they covered. */
export const notedEnd = (row: KeyRow, ended: EndedKeys) => {
  const { target, changes } = notedKey(row)
  const below = ended.ids.filter((id) => id !== row.id)
  return { target, collections: ended.collections, changes: { ...changes, below } }
}
