import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { limitSchema, skipSchema } from '../../model/names.ts'
import { searchHitSchema, searchQuerySchema } from '../../model/search.ts'
import { listedModelSchema } from '../../model/trained-model.ts'

const tag = 'Models'
const query = z.object({ skip: skipSchema, limit: limitSchema })

export const modelsContract = {
  listAllModels: endpoint({
    method: 'GET',
    path: '/api/v1/models',
    summary: 'The trained models of all collections that the token covers; always empty on this server',
    tag,
    query,
    response: z.array(listedModelSchema),
  }),
  listModels: endpoint({
    method: 'GET',
    path: '/api/v1/models/{collection}',
    summary: 'The trained models of a collection',
    tag,
    collectionMissing: "Collection with name '{collection}' not found",
    query,
    response: z.array(listedModelSchema),
  }),
  searchModels: endpoint({
    method: 'GET',
    path: '/api/v1/models/search',
    summary: 'Search trained models by a text in their names',
    tag,
    query: searchQuerySchema,
    response: z.object({ hits: z.array(searchHitSchema) }),
  }),
}
