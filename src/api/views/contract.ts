import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { mostViews, saveViewSchema, viewSchema } from '../../model/view.ts'

const tag = 'Runs'
const path = '/api/v1/views/{collection}'
const named = { path: `${path}/{name}`, tag, collectionMissing: "View '{name}' not found" } as const

export const viewsContract = {
  listViews: endpoint({
    method: 'GET',
    path,
    summary: `The saved views of the list of runs, by name; a collection has at most ${mostViews}`,
    tag,
    response: z.object({ views: z.array(viewSchema) }),
  }),
  getView: endpoint({ ...named, method: 'GET', summary: 'One saved view', response: viewSchema }),
  saveView: endpoint({
    ...named,
    method: 'PUT',
    summary: 'Save a view under a name; an existing one is replaced',
    body: saveViewSchema,
    response: viewSchema,
    errors: ['conflict'],
  }),
  deleteView: endpoint({
    ...named,
    method: 'DELETE',
    summary: 'Delete a saved view',
    response: z.object({ message: z.string() }),
  }),
}
