import { z } from 'zod'
import { endpoint, ifMatchHeader } from '../../http/endpoint.ts'
import { agentSchema, createAgentSchema, updateAgentSchema } from '../../model/collections/agent.ts'
import { deletedEntitySchema } from '../../model/data/entity.ts'
import { entityHistorySchema, entityVersionSchema, historyQuerySchema } from '../../model/data/entity-version.ts'
import { provenanceNodeSchema, relationshipRequestSchema, relationshipSchema } from '../../model/data/relationship.ts'
import {
  entityNameSchema,
  jsonObjectSchema,
  limitSchema,
  skipSchema,
  textSchema,
  timestampSchema,
} from '../../model/names.ts'
import { searchHitSchema, searchQuerySchema } from '../../model/search.ts'

const shared = {
  id: z.int(),
  name: z.string(),
  description: z.string().nullable().describe('The same as `long_description`.'),
  long_description: z.string().nullable(),
  model_path: z.string(),
  collection_id: z.int(),
  collection_name: z.string(),
  metadata_version: z.string().nullable().describe('Also a tag of the version that is saved with it.'),
  model_metadata: jsonObjectSchema.nullable(),
  asset_origin: z.string().nullable(),
  model_attributes: jsonObjectSchema.nullable(),
  entity_type: z.literal('trained_model'),
  is_private: z.boolean().describe('Whether only keys of the collection can read it.'),
  croissant_metadata: jsonObjectSchema.nullable(),
}

/** A model in a list. */
const listedModelSchema = z.object(shared).meta({ id: 'ListedModel' })

const trainedModelSchema = z
  .object({ ...shared, created_at: timestampSchema, updated_at: timestampSchema.nullable() })
  .meta({ id: 'TrainedModel' })

const settable = {
  metadata_version: textSchema.max(1000).nullable().optional(),
  model_metadata: jsonObjectSchema.nullable().optional(),
  asset_origin: textSchema.max(2000).nullable().optional(),
  long_description: textSchema.nullable().optional(),
  description: textSchema
    .nullable()
    .optional()
    .describe('Another name of `long_description`, which wins if both are given.'),
  model_attributes: jsonObjectSchema.nullable().optional(),
  is_private: z.boolean().optional().describe('Default when it is created: true.'),
  croissant_metadata: jsonObjectSchema.nullable().optional(),
  collection_id: z.int().optional().describe('Ignored: the path names the collection.'),
}

const modelPathSchema = textSchema.min(1).max(2000).describe('Where the model is, such as hf://acme/model.')

const createModelSchema = z
  .object({
    name: entityNameSchema,
    model_path: modelPathSchema,
    entity_type: z.literal('trained_model').default('trained_model'),
    ...settable,
  })
  .meta({ id: 'CreateModel' })

/** Only given members change. */
const updateModelSchema = z
  .object({
    name: entityNameSchema.optional(),
    model_path: modelPathSchema.optional(),
    entity_type: z.literal('trained_model').optional(),
    ...settable,
  })
  .meta({ id: 'UpdateModel' })

const query = z.object({ skip: skipSchema, limit: limitSchema })
const one = '/api/v1/models/{collection}/{model}'
const unknownCollection = "Collection with name '{collection}' not found"
const collectionMissing = "Trained model '{model}' in collection '{collection}' not found"

const oneAgent = '/api/v1/agents/{collection}/{agent}'

export const entitiesContract = {
  listAllModels: endpoint({
    method: 'GET',
    path: '/api/v1/models',
    summary: 'The trained models of all collections that the token covers',
    tag: 'Models',
    query,
    response: z.array(listedModelSchema),
  }),
  listModels: endpoint({
    method: 'GET',
    path: '/api/v1/models/{collection}',
    summary: 'The trained models of a collection, oldest first',
    tag: 'Models',
    collectionMissing: unknownCollection,
    query,
    response: z.array(listedModelSchema),
  }),
  searchModels: endpoint({
    method: 'GET',
    path: '/api/v1/models/search',
    summary: 'Search trained models by a text in their names, descriptions or metadata',
    tag: 'Models',
    query: searchQuerySchema,
    response: z.object({ hits: z.array(searchHitSchema) }),
  }),
  createModel: endpoint({
    method: 'POST',
    path: '/api/v1/models/{collection}',
    summary: 'Register a trained model',
    tag: 'Models',
    collectionMissing: unknownCollection,
    body: createModelSchema,
    response: trainedModelSchema,
    status: 201,
    errors: ['already_exists', 'quota_exceeded'],
  }),
  getModel: endpoint({
    method: 'GET',
    path: one,
    summary: 'One trained model; public ones need no token. Its `ETag` is for `If-Match`',
    tag: 'Models',
    access: 'optional',
    collectionMissing,
    response: trainedModelSchema,
  }),
  updateModel: endpoint({
    method: 'PUT',
    path: one,
    summary: 'Change the given fields of a trained model',
    tag: 'Models',
    collectionMissing,
    headers: ifMatchHeader,
    body: updateModelSchema,
    response: trainedModelSchema,
    errors: ['already_exists', 'precondition_failed', 'quota_exceeded'],
  }),
  deleteModel: endpoint({
    method: 'DELETE',
    path: one,
    summary: 'Delete a trained model with its versions; what is at its path stays',
    tag: 'Models',
    collectionMissing: 'Trained model not found',
    response: deletedEntitySchema,
  }),
  listModelVersions: endpoint({
    method: 'GET',
    path: `${one}/history`,
    summary: 'The versions of a trained model, newest first; each change of its fields creates a version',
    tag: 'Models',
    collectionMissing,
    query: historyQuerySchema,
    response: entityHistorySchema,
  }),
  getModelVersion: endpoint({
    method: 'GET',
    path: `${one}/versions/{ref}`,
    summary: 'One version of a trained model: by content hash, by tag, or by index (~0 the oldest, ~-1 the newest)',
    tag: 'Models',
    collectionMissing,
    response: entityVersionSchema,
    errors: ['bad_request'],
  }),
  listAgents: endpoint({
    method: 'GET',
    path: '/api/v1/agents/{collection}',
    summary: 'The agents of a collection, oldest first: who owns or made something. Coding agents are something else',
    tag: 'Agents',
    collectionMissing: unknownCollection,
    query,
    response: z.array(agentSchema),
  }),
  createAgent: endpoint({
    method: 'POST',
    path: '/api/v1/agents/{collection}',
    summary: 'Create an agent',
    tag: 'Agents',
    collectionMissing: unknownCollection,
    body: createAgentSchema,
    response: agentSchema,
    status: 201,
    errors: ['already_exists'],
  }),
  getAgent: endpoint({
    method: 'GET',
    path: oneAgent,
    summary: 'One agent',
    tag: 'Agents',
    collectionMissing: "Agent '{agent}' in collection '{collection}' not found",
    response: agentSchema,
  }),
  updateAgent: endpoint({
    method: 'PUT',
    path: oneAgent,
    summary: 'Change the given fields of an agent',
    tag: 'Agents',
    collectionMissing: 'Agent not found',
    body: updateAgentSchema,
    response: agentSchema,
    errors: ['already_exists'],
  }),
  deleteAgent: endpoint({
    method: 'DELETE',
    path: oneAgent,
    summary: 'Delete an agent',
    tag: 'Agents',
    collectionMissing: 'Agent not found',
    response: deletedEntitySchema,
  }),
  createEntityRelationship: endpoint({
    method: 'POST',
    path: '/api/v1/entity-relationships',
    summary: 'Link an entity to the one that it was made from; the same link again returns the first one',
    tag: 'Relationships',
    body: relationshipRequestSchema,
    response: relationshipSchema,
    status: 201,
    errors: ['bad_request', 'not_found'],
  }),
  deleteEntityRelationship: endpoint({
    method: 'DELETE',
    path: '/api/v1/entity-relationships',
    summary: 'Remove a link; the body names it as it did when it was created',
    tag: 'Relationships',
    body: relationshipRequestSchema,
    response: 'empty',
    status: 204,
    errors: ['bad_request', 'not_found'],
  }),
  getEntityUpstream: endpoint({
    method: 'GET',
    path: '/api/v1/entity-relationships/{type}/{collection}/{name}/upstream',
    summary: 'What a dataset, trained_model or task was made from, and what was made from it',
    tag: 'Relationships',
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
