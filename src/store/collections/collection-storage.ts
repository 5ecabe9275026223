import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { Database, Queries } from '../database/database.ts'
import { storageInfoSeal } from '../secrets/sealed-texts.ts'
import { type CollectionRow, collectionColumns } from './collections.ts'

/** Decrypts the storage configuration of a collection: JSON text that may hold credentials. */
export const openStorageInfo = (
  sealer: Sealer,
  row: Pick<CollectionRow, 'id' | 'sealed_storage_info'>,
): string | null =>
  row.sealed_storage_info === null ? null : sealer.open(row.sealed_storage_info, storageInfoSeal(row.id))

/** Replaces the given values; undefined keeps the stored one. */
export const setStorage = async (
  queries: Queries,
  sealer: Sealer,
  id: number,
  storage: { info?: string | null | undefined; provider?: string | undefined },
): Promise<CollectionRow | undefined> => {
  const { info, provider } = storage
  const sealed = typeof info === 'string' ? sealer.seal(info, storageInfoSeal(id)) : null
  const [row] = await queries.rows<CollectionRow>(
    'set_collection_storage',
    `update collections set sealed_storage_info = case when $2 then $3 else sealed_storage_info end,
       storage_provider = coalesce($4, storage_provider) where id = $1 returning ${collectionColumns}`,
    [id, info !== undefined, sealed, provider ?? null],
  )
  return row
}

const sealedAtOnce = 500

/**
 * Encrypts values written by versions that stored them in plain text. Runs at every start, safely from several
 * processes.
 */
export const sealOldStorageInfo = async (database: Database, sealer: Sealer): Promise<void> => {
  for (;;) {
    const rows = await database.rows<{ id: number; plain: string }>(
      'unsealed_storage_info',
      'select id, unsealed_storage_info as plain from collections where unsealed_storage_info is not null limit $1',
      [sealedAtOnce],
    )
    if (rows.length === 0) return
    await database.rows(
      'seal_storage_info',
      `update collections c set sealed_storage_info = coalesce(c.sealed_storage_info, u.sealed), unsealed_storage_info = null
       from unnest($1::bigint[], $2::text[]) u(id, sealed) where c.id = u.id and c.unsealed_storage_info is not null`,
      [rows.map(({ id }) => id), rows.map(({ id, plain }) => sealer.seal(plain, storageInfoSeal(id)))],
    )
  }
}
