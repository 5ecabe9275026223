import { endpoint } from '../../http/endpoint.ts'
import { collectionSettingsSchema, setCollectionSettingsSchema } from '../../model/collections/collection-settings.ts'

export const settingsContract = {
  getCollectionSettings: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/settings',
    summary: 'Every setting of a collection, with its value or null for the default',
    tag: 'Collections',
    response: collectionSettingsSchema,
  }),
  updateCollectionSettings: endpoint({
    method: 'PATCH',
    path: '/api/v1/collections/{collection}/settings',
    summary: 'Change the settings that are given; null goes back to the default',
    tag: 'Collections',
    body: setCollectionSettingsSchema,
    response: collectionSettingsSchema,
  }),
}
