import type { Database } from '../../database/database.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { CollectionSettings } from '../../model/collections/collection-settings.ts'
import { readEnvironment } from './environments.ts'

/**
 * The receiver that runs of a collection notify when they name none; undefined without one. It is signed with a variable
 * of the collection, as that is now.
 */
export const collectionWebhook = async (
  database: Database,
  sealer: Pick<Sealer, 'open'>,
  { id, settings }: { id: number; settings?: Partial<CollectionSettings> | undefined },
): Promise<{ url: string; secret: string | null } | undefined> => {
  const { url, secret_variable: variable } = settings?.webhook ?? {}
  if (!url) return undefined
  if (!variable) return { url, secret: null }
  return { url, secret: (await readEnvironment(database, sealer, id)).get(variable) ?? null }
}
