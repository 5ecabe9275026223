import type { z } from 'zod'
import { coveredIds, homeOf, type Identity, type whoamiSchema } from '../../model/collections/identity.ts'
import { listCollections } from '../../store/collections/collections.ts'
import type { Database } from '../../store/database/database.ts'

/** Describes a caller, with the collections that it covers. */
export const whoami = async (database: Database, identity: Identity): Promise<z.output<typeof whoamiSchema>> => {
  const covered = await listCollections(database, coveredIds(identity), { skip: 0, limit: 10_000 })
  const home = homeOf(identity)
  return {
    auth_type: identity.kind === 'admin' ? 'admin' : 'api_key',
    name: identity.name,
    key_prefix: identity.prefix,
    key_id: identity.keyId,
    collections: covered.map(({ name }) => name),
    home_collection: covered.find(({ id }) => id === home)?.name ?? null,
    access_level: identity.access,
  }
}
