import { z } from 'zod'
import { endpoint, ifMatchHeader } from '../../http/endpoint.ts'
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
import { collectionSettingsSchema, setCollectionSettingsSchema } from '../../model/collections/collection-settings.ts'
import { environmentSchema, setEnvironmentSchema, variablesSchema } from '../../model/collections/environment.ts'
import { retentionPreviewSchema, retentionTrialSchema } from '../../model/collections/retention-preview.ts'
import { trialSchema } from '../../model/collections/trial.ts'
import { listedDatasetSchema } from '../../model/data/dataset.ts'
import { limitSchema, skipSchema, timestampSchema } from '../../model/names.ts'

const tag = 'Collections'
const viewSchema = z.enum(['full', 'summary']).default('full')

/** Validated in the route: out of range values get one sentence here, not the list of issues. */
const pageQuery = z.object({
  skip: z.coerce.number().int().default(0).meta({ minimum: 0 }),
  limit: z.coerce.number().int().default(100).meta({ minimum: 0 }),
})
const listQuery = z.object({ skip: skipSchema, limit: limitSchema })

const count = z.int().min(0)

/** Usage of a collection, about a second old, and its limits. */
const collectionUsageSchema = z
  .object({
    runs: count.describe('Number of stored runs, gateway calls included.'),
    stored_bytes: count.describe('Sum of `database_bytes` and `file_bytes`.'),
    database_bytes: count.describe(
      'Bytes of the texts of its runs: parameters, inputs, outputs, errors, agent events.',
    ),
    file_bytes: count.describe('Bytes of its files.'),
    quota: z.object({ stored_bytes: count, runs: count }).describe('Limits above which writes are refused.'),
    together: z
      .object({ runs: count, stored_bytes: count, quota: z.object({ stored_bytes: count, runs: count }) })
      .describe('What all collections that were made with the keys of the same collection store, it included.'),
    measured: timestampSchema
      .nullable()
      .describe('Time of the last measurement; later changes are added to it. null: not measured yet.'),
    spent_today: z
      .object({
        usd: z.number().describe('US dollars of calls with a known price.'),
        tokens: count.describe('Tokens in and out, cached ones included.'),
      })
      .describe('Model calls of this day (UTC), which the daily budget limits.'),
  })
  .meta({ id: 'CollectionUsage' })

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
  getCollectionSettings: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/settings',
    summary: 'Every setting of a collection, with its value or null for the default',
    tag,
    response: collectionSettingsSchema,
  }),
  getCollectionUsage: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/usage',
    summary: 'How much a collection stores, its quota, and what it has spent today',
    tag,
    response: collectionUsageSchema,
  }),
  previewRetention: endpoint({
    method: 'POST',
    path: '/api/v1/collections/{collection}/retention/preview',
    summary:
      'What retention would delete now, under the settings of the collection or under others; nothing is deleted',
    tag,
    access: 'read',
    audited: false,
    body: retentionTrialSchema,
    response: retentionPreviewSchema,
  }),
  updateCollectionSettings: endpoint({
    method: 'PATCH',
    path: '/api/v1/collections/{collection}/settings',
    summary: 'Change the given settings; null restores the default',
    tag,
    headers: ifMatchHeader,
    body: setCollectionSettingsSchema,
    response: collectionSettingsSchema,
    errors: ['precondition_failed'],
  }),
  getEnvironment: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/environment',
    summary: 'The environment variables, with masked values',
    tag,
    response: environmentSchema,
  }),
  listVariables: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/environment/variables',
    summary: 'The names of the environment variables: who set each, and which tasks use it',
    tag,
    response: variablesSchema,
  }),
  setEnvironment: endpoint({
    method: 'PATCH',
    path: '/api/v1/collections/{collection}/environment',
    summary: 'Set or delete environment variables; runs that start later use them',
    tag,
    body: setEnvironmentSchema,
    wraps: 'environment_variables',
    response: environmentSchema,
  }),
}

const trialTag = 'Trial'

export const trialContract = {
  getTrial: endpoint({
    method: 'GET',
    path: '/api/v1/trial/{collection}',
    summary: 'Whether a collection may use provider keys of the server, and the rest of its trial',
    tag: trialTag,
    response: trialSchema,
  }),
  activateTrial: endpoint({
    method: 'POST',
    path: '/api/v1/trial/{collection}/activate',
    summary: 'Start the one trial of a collection; refused if the server has no trial keys',
    tag: trialTag,
    response: trialSchema,
    errors: ['bad_request'],
  }),
}
