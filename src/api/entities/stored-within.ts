import type { AnyCall } from '../../http/implement.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database } from '../../store/database/database.ts'

export interface StoreEntityDeps {
  database: Database
  quota: Pick<Quota, 'add' | 'require'>
}

/**
 * Writes an entity if its collection has room, and counts the body: each change of its fields is kept as a version.
 * Throws `quota_exceeded`.
 */
export const storeWithin = async <Written>(
  { quota }: StoreEntityDeps,
  { bodyText }: Pick<AnyCall, 'bodyText'>,
  collectionId: number,
  write: () => Promise<Written>,
): Promise<Written> => {
  await quota.require(collectionId, 0)
  const written = await write()
  if (typeof written === 'object') quota.add(collectionId, { databaseBytes: Buffer.byteLength(bodyText) })
  return written
}
