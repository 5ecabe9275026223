import type { Database } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { shownSettings } from '../../model/collections/collection-settings.ts'
import { changeCollectionSettings } from '../../store/collections/collections.ts'
import { settingsContract } from './contract.ts'

export interface SettingsDeps {
  database: Database
}

export const settingsRoutes = ({ database }: SettingsDeps): Route[] =>
  implement(settingsContract, {
    getCollectionSettings: async ({ collection }) => shownSettings(collection.settings ?? {}),

    updateCollectionSettings: async ({ collection, body, note }) => {
      const set = await changeCollectionSettings(database, collection.id, body)
      if (!set) throw new AppError('not_found', 'Collection not found')
      note({ changes: body })
      return shownSettings(set)
    },
  })
