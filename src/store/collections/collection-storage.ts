import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { Database, Queries } from '../database/database.ts'
import { bigint, change, query, queryOne, text } from '../database/table.ts'
import { storageInfoSeal } from '../secrets/sealed-texts.ts'
import { type CollectionRow, collection, collectionColumns } from './collections.ts'

/** Decrypts the storage configuration of a collection: JSON text that may hold credentials. */
export const openStorageInfo = (
  sealer: Sealer,
  row: Pick<CollectionRow, 'id' | 'sealed_storage_info'>,
): string | null =>
  row.sealed_storage_info === null ? null : sealer.open(row.sealed_storage_info, storageInfoSeal(row.id))

const writeStorage = queryOne(
  'set_collection_storage',
  collection,
  `update collections set sealed_storage_info = case when $2 then $3 else sealed_storage_info end,
     storage_provider = coalesce($4, storage_provider) where id = $1 returning ${collectionColumns}`,
  (
    id: number,
    { isNew, sealed, provider }: { isNew: boolean; sealed: string | null; provider?: string | undefined },
  ) => [...[id, isNew, sealed, provider ?? null]],
)

/** Replaces the given values; undefined keeps the stored one. */
export const setStorage = (
  queries: Queries,
  sealer: Sealer,
  id: number,
  { info, provider }: { info?: string | null | undefined; provider?: string | undefined },
): Promise<CollectionRow | undefined> => {
  const sealed = typeof info === 'string' ? sealer.seal(info, storageInfoSeal(id)) : null
  return writeStorage(queries, id, { isNew: info !== undefined, sealed, provider })
}

const sealedAtOnce = 500

const readUnsealed = query(
  'unsealed_storage_info',
  { id: bigint, plain: text },
  'select id, unsealed_storage_info as plain from collections where unsealed_storage_info is not null limit $1',
  () => [sealedAtOnce],
)
const writeSealed = change(
  'seal_storage_info',
  `update collections c set sealed_storage_info = coalesce(c.sealed_storage_info, u.sealed), unsealed_storage_info = null
   from unnest($1::bigint[], $2::text[]) u(id, sealed) where c.id = u.id and c.unsealed_storage_info is not null`,
  (sealer: Sealer, rows: { id: number; plain: string }[]) => [
    rows.map(({ id }) => id),
    rows.map(({ id, plain }) => sealer.seal(plain, storageInfoSeal(id))),
  ],
)

/**
 * Encrypts values written by versions that stored them in plain text. Runs at every start, safely from several
 * processes.
 */
export const sealOldStorageInfo = async (database: Database, sealer: Sealer): Promise<void> => {
  for (;;) {
    const rows = await readUnsealed(database)
    if (rows.length === 0) return
    await writeSealed(database, sealer, rows)
  }
}
