import type { Database } from '../../database/database.ts'
import { requireScope } from '../../http/authorise.ts'
import { implement, type Route } from '../../http/implement.ts'
import type { Sealer } from '../../lib/crypto.ts'
import { AppError } from '../../lib/errors.ts'
import type { FoundCollection, Identity } from '../../model/identity.ts'
import type { Models } from '../../providers/provider.ts'
import { readEnvironment } from '../../store/environments.ts'
import { routableModelsContract } from './contract.ts'

export interface RoutableModelsDeps {
  database: Database
  sealer: Sealer
  findCollection(name: string): Promise<FoundCollection | undefined>
  models: Pick<Models, 'routable'>
}

export const routableModelsRoutes = ({ database, sealer, findCollection, models }: RoutableModelsDeps): Route[] => {
  const meant = async (identity: Identity, name: string | undefined): Promise<readonly number[]> => {
    if (!name) return identity.collectionIds
    const collection = await findCollection(name)
    if (!collection) throw new AppError('not_found', 'Collection not found')
    requireScope(identity, collection.id)
    return [collection.id]
  }
  return implement(routableModelsContract, {
    listRoutableModels: async ({ identity, query, request }) => {
      const name = query.collection ?? request.headers.get('x-jetty-collection') ?? undefined
      const ids = await meant(identity, name)
      const environments = await Promise.all(ids.map((id) => readEnvironment(database, sealer, id)))
      const routable = await models.routable(environments.map((variables) => (key) => variables.get(key)))
      return {
        object: 'list' as const,
        data: routable.map(({ id, owned_by }) => ({ id, object: 'model' as const, created: 0, owned_by })),
      }
    },
  })
}
