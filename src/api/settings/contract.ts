import { endpoint, ifMatchHeader } from '../../http/endpoint.ts'
import { collectionSettingsSchema, setCollectionSettingsSchema } from '../../model/collections/collection-settings.ts'
import { collectionUsageSchema } from '../../model/collections/collection-usage.ts'
import { retentionPreviewSchema, retentionTrialSchema } from '../../model/collections/retention-preview.ts'

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
