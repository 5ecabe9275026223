import type { Database } from '../database/database.ts'
import { batched } from '../lib/batch.ts'

export interface KeyRow {
  id: number
  collection_id: number
  collection_name: string
  /** Every collection the key covers. */
  collection_ids: number[]
  name: string
  key_prefix: string
  access_level: 'READ' | 'WRITE'
  is_active: boolean
  expires_at: Date | null
  last_used_at: Date | null
  created_at: Date
}

/** What authentication needs of a key. */
export type KnownKey = Pick<
  KeyRow,
  'id' | 'name' | 'key_prefix' | 'access_level' | 'is_active' | 'expires_at' | 'last_used_at' | 'collection_ids'
>

const scope = `array(select s.collection_id from api_key_collections s where s.key_id = k.id order by s.collection_id)::float8[]
  as collection_ids`

/** Look-up by hash; many at the same time share one query, so that revocation acts at the very next request. */
export const makeKeyFinder = (database: Database): ((hash: string) => Promise<KnownKey | undefined>) =>
  batched<string, KnownKey | undefined>(async (hashes) => {
    const rows = await database.rows<KnownKey & { key_hash: string }>(
      'find_keys',
      `select k.key_hash, k.id, k.name, k.key_prefix, k.access_level, k.is_active, k.expires_at, k.last_used_at, ${scope}
       from api_keys k where k.key_hash = any($1)`,
      [[...new Set(hashes)]],
    )
    const byHash = new Map(rows.map((row) => [row.key_hash, row]))
    return hashes.map((hash) => byHash.get(hash))
  })

/** Notes that keys were used, at most once a minute each; what fails here fails nobody. */
export const makeKeyToucher = (database: Database): ((key: KnownKey) => void) => {
  const touch = batched<number, void>(async (ids) => {
    await database.rows(
      'touch_keys',
      `update api_keys set last_used_at = now()
       where id = any($1) and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
      [[...new Set(ids)].sort((a, b) => a - b)],
    )
    return ids.map(() => undefined)
  })
  return ({ id, last_used_at }) => {
    if (!last_used_at || Date.now() - last_used_at.getTime() > 60_000) touch(id).catch(() => {})
  }
}
