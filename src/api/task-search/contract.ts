import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { searchHitSchema, searchQuerySchema } from '../../model/search.ts'
import { listedTaskSchema } from '../../model/workflows/task.ts'

const tag = 'Tasks'

const foundSchema = z
  .object({
    found: z.int().describe('Total number of matches; the first `limit` are returned.'),
    q: z.string(),
    hits: z.array(searchHitSchema),
    tasks: z.array(listedTaskSchema),
  })
  .meta({ id: 'FoundTasks' })

export const taskSearchContract = {
  searchTasks: endpoint({
    method: 'GET',
    path: '/api/v1/tasks/{collection}/search',
    summary:
      'Search the tasks of a collection by a text in their name, description, workflow or full name, in this order',
    tag,
    collectionMissing: "Collection with name '{collection}' not found",
    query: searchQuerySchema,
    response: foundSchema,
  }),
  searchAllTasks: endpoint({
    method: 'GET',
    path: '/api/v1/tasks/search',
    summary: 'The same search in all collections that the token covers',
    tag,
    query: searchQuerySchema,
    response: foundSchema,
  }),
}
