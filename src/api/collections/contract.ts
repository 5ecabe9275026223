import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { agentSchema } from '../../model/collections/agent.ts'
import {
  collectionPausesSchema,
  collectionSchema,
  collectionSummarySchema,
  collectionWithEnvironmentSchema,
  collectionWithStorageSchema,
  createCollectionSchema,
  pauseCollectionSchema,
  setOwnerSchema,
  setStorageSchema,
} from '../../model/collections/collection.ts'
import { listedDatasetSchema } from '../../model/data/dataset.ts'
import { limitSchema, skipSchema } from '../../model/names.ts'

const tag = 'Collections'
const viewSchema = z.enum(['full', 'summary']).default('full')

/** Validated in the route: out of range values get one sentence here, not the list of issues. */
const pageQuery = z.object({
  skip: z.coerce.number().int().default(0).meta({ minimum: 0 }),
  limit: z.coerce.number().int().default(100).meta({ minimum: 0 }),
})
const listQuery = z.object({ skip: skipSchema, limit: limitSchema })

export const collectionsContract = {
  listCollections: endpoint({
    method: 'GET',
    path: '/api/v1/collections',
    summary: 'The collections that the token covers, oldest first',
    tag,
    query: pageQuery.extend({ view: viewSchema.describe('`summary`: with what the runs of each collection came to.') }),
    response: z.array(collectionSchema),
    views: { summary: z.array(collectionSummarySchema) },
  }),
  getCollection: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}',
    summary: 'One collection, with the names of its environment variables',
    tag,
    response: collectionWithEnvironmentSchema,
  }),
  createCollection: endpoint({
    method: 'POST',
    path: '/api/v1/collections',
    summary: 'Create a collection, and add it to the scope of the calling key',
    tag,
    body: createCollectionSchema,
    response: collectionWithEnvironmentSchema,
    errors: ['already_exists', 'quota_exceeded'],
  }),
  deleteCollection: endpoint({
    method: 'DELETE',
    path: '/api/v1/collections/{collection}',
    summary: 'Delete a collection and everything in it; active runs are stopped',
    tag,
    access: 'admin',
    response: 'empty',
    status: 204,
  }),
  getCollectionPauses: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/pauses',
    summary: 'Whether a collection is paused, by whom, and why',
    tag,
    response: collectionPausesSchema,
  }),
  pauseCollection: endpoint({
    method: 'POST',
    path: '/api/v1/collections/{collection}/pause',
    summary: 'Pause a collection: steps under way end, accepted runs wait, and new runs and calls are refused',
    tag,
    body: pauseCollectionSchema.nullish(),
    response: collectionPausesSchema,
  }),
  resumeCollection: endpoint({
    method: 'POST',
    path: '/api/v1/collections/{collection}/resume',
    summary: 'End the pause of a collection: its runs go on',
    tag,
    response: collectionPausesSchema,
    errors: ['forbidden'],
  }),
  setCollectionOwner: endpoint({
    method: 'PATCH',
    path: '/api/v1/collections/{collection}/owner',
    summary: 'Set the owner of a collection',
    tag,
    body: setOwnerSchema,
    response: collectionSchema,
  }),
  getCollectionStorage: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/storage',
    summary: 'The storage location of a collection; credentials are masked',
    tag,
    response: collectionWithStorageSchema,
  }),
  setCollectionStorage: endpoint({
    method: 'PATCH',
    path: '/api/v1/collections/{collection}/storage',
    summary: 'Set where the data files of a collection are stored: on this server, or in a bucket of its own',
    tag,
    body: setStorageSchema,
    response: collectionWithStorageSchema,
  }),
  listCollectionDatasets: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/datasets',
    summary: 'The datasets of a collection',
    tag,
    query: listQuery,
    response: z.array(listedDatasetSchema),
  }),
  listCollectionAgents: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/agents',
    summary: 'The agents of a collection',
    tag,
    query: listQuery,
    response: z.array(agentSchema),
  }),
}
