import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { listedDatasetSchema } from '../../model/dataset.ts'
import { searchHitSchema, searchQuerySchema } from '../../model/search.ts'

const tag = 'Datasets'

/** Validated in the route: out of range values get one sentence here, not the list of issues. */
const pageQuery = z.object({
  skip: z.coerce.number().int().default(0).meta({ minimum: 0 }),
  limit: z.coerce.number().int().default(100).meta({ minimum: 0 }),
})

export const datasetsContract = {
  listDatasets: endpoint({
    method: 'GET',
    path: '/api/v1/datasets/{collection}',
    summary: 'The datasets of a collection; always empty on this server',
    tag,
    collectionMissing: "Collection with name '{collection}' not found",
    query: pageQuery,
    response: z.array(listedDatasetSchema),
    errors: ['bad_request'],
  }),
  searchDatasets: endpoint({
    method: 'GET',
    path: '/api/v1/datasets/search',
    summary: 'Search datasets by a text in their names; public ones need no token',
    tag,
    access: 'optional',
    query: searchQuerySchema,
    response: z.object({ hits: z.array(searchHitSchema) }),
  }),
}
