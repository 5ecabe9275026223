import { endpoint } from '../../http/endpoint.ts'
import { provenanceNodeSchema, relationshipRequestSchema, relationshipSchema } from '../../model/data/relationship.ts'

const tag = 'Relationships'

export const entityRelationshipsContract = {
  createEntityRelationship: endpoint({
    method: 'POST',
    path: '/api/v1/entity-relationships',
    summary: 'Link an entity to the one that it was made from; the same link again returns the first one',
    tag,
    body: relationshipRequestSchema,
    response: relationshipSchema,
    status: 201,
    errors: ['bad_request', 'not_found'],
  }),
  deleteEntityRelationship: endpoint({
    method: 'DELETE',
    path: '/api/v1/entity-relationships',
    summary: 'Remove a link; the body names it as it did when it was created',
    tag,
    body: relationshipRequestSchema,
    response: 'empty',
    status: 204,
    errors: ['bad_request', 'not_found'],
  }),
  getEntityUpstream: endpoint({
    method: 'GET',
    path: '/api/v1/entity-relationships/{type}/{collection}/{name}/upstream',
    summary: 'What a dataset, trained_model or task was made from, and what was made from it',
    tag,
    collectionMissing: "Starting entity '{name}' of type '{type}' not found in collection '{collection}'.",
    response: provenanceNodeSchema,
  }),
  getDatasetUpstream: endpoint({
    method: 'GET',
    path: '/api/v1/datasets/{collection}/{dataset}/upstream',
    summary: 'What a dataset was made from, and what was made from it; only what the token covers, and what is public',
    tag: 'Datasets',
    access: 'optional',
    collectionMissing: 'Dataset not found',
    response: provenanceNodeSchema,
  }),
}
