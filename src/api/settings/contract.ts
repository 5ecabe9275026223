import { z } from 'zod'
import { endpoint, ifMatchHeader } from '../../http/endpoint.ts'
import { collectionSettingsSchema, setCollectionSettingsSchema } from '../../model/collections/collection-settings.ts'
import { retentionPreviewSchema, retentionTrialSchema } from '../../model/collections/retention-preview.ts'
import { timestampSchema } from '../../model/names.ts'

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

export const settingsContract = {
  getCollectionSettings: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/settings',
    summary: 'Every setting of a collection, with its value or null for the default',
    tag: 'Collections',
    response: collectionSettingsSchema,
  }),
  getCollectionUsage: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/usage',
    summary: 'How much a collection stores, its quota, and what it has spent today',
    tag: 'Collections',
    response: collectionUsageSchema,
  }),
  previewRetention: endpoint({
    method: 'POST',
    path: '/api/v1/collections/{collection}/retention/preview',
    summary:
      'What retention would delete now, under the settings of the collection or under others; nothing is deleted',
    tag: 'Collections',
    access: 'read',
    audited: false,
    body: retentionTrialSchema,
    response: retentionPreviewSchema,
  }),
  updateCollectionSettings: endpoint({
    method: 'PATCH',
    path: '/api/v1/collections/{collection}/settings',
    summary: 'Change the given settings; null restores the default',
    tag: 'Collections',
    headers: ifMatchHeader,
    body: setCollectionSettingsSchema,
    response: collectionSettingsSchema,
    errors: ['precondition_failed'],
  }),
}
