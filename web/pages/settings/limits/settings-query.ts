import { useQuery } from '@tanstack/react-query'
import type { ShownSettings } from '../../../../src/model/collections/collection-settings.ts'
import { api, apiCall } from '../../../data/api.ts'

/** Settings as they were read. */
export interface ReadSettings {
  settings: ShownSettings
  /** Names this state of the settings, for `If-Match`. */
  etag: string | null
}

export const settingsKey = (collection: string) => ['settings', collection] as const

export const useSettings = (collection: string) =>
  useQuery({
    queryKey: settingsKey(collection),
    queryFn: async ({ signal }): Promise<ReadSettings> => {
      const response = await apiCall('getCollectionSettings', { params: { collection }, asResponse: true, signal })
      const answer = response as Response
      return { settings: (await answer.json()) as ShownSettings, etag: answer.headers.get('etag') }
    },
  })

export const useUsage = (collection: string) =>
  useQuery({
    queryKey: ['usage', collection],
    queryFn: ({ signal }) => api.getCollectionUsage({ params: { collection }, signal }),
  })
