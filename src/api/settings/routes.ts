import type { Database } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import { shownSettings } from '../../model/collections/collection-settings.ts'
import { changeCollectionSettings } from '../../store/collections/collections.ts'
import type { Quota } from '../../store/collections/quota.ts'
import { settingsContract } from './contract.ts'

export interface SettingsDeps {
  database: Database
  quota: Pick<Quota, 'of'>
}

const quotaIsTheAdmins = () =>
  new AppError('forbidden', 'Only the admin token can change the quota of a collection', {
    hint: 'Omit quota, or ask the operator of the server.',
  })

export const settingsRoutes = ({ database, quota }: SettingsDeps): Route[] =>
  implement(settingsContract, {
    getCollectionSettings: async ({ collection }) => shownSettings(collection.settings ?? {}),

    updateCollectionSettings: async ({ collection, identity, body, note }) => {
      if (body.quota !== undefined && identity.access !== 'ADMIN') throw quotaIsTheAdmins()
      const set = await changeCollectionSettings(database, collection.id, body)
      if (!set) throw new AppError('not_found', 'Collection not found')
      note({ changes: body })
      return shownSettings(set)
    },

    getCollectionUsage: async ({ collection }) => {
      const { usage, limits, measuredAt } = await quota.of(collection.id)
      return {
        runs: usage.runs,
        stored_bytes: usage.databaseBytes + usage.fileBytes,
        database_bytes: usage.databaseBytes,
        file_bytes: usage.fileBytes,
        quota: { stored_bytes: limits.bytes, runs: limits.runs },
        measured: measuredAt && timestamp(measuredAt),
      }
    },
  })
