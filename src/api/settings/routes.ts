import type { Database } from '../../database/database.ts'
import { entityTag, requireMatch } from '../../http/entity-tag.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import { type CollectionSettings, changedSettings, shownSettings } from '../../model/collections/collection-settings.ts'
import { makeSpentToday } from '../../store/calls/budget.ts'
import { changeCollectionSettings } from '../../store/collections/collections.ts'
import type { Quota } from '../../store/collections/quota.ts'
import { type ExpiredOfTask, previewRetention } from '../../store/collections/retention-preview.ts'
import { requireWebhookTarget } from '../webhooks/check-url.ts'
import { settingsContract } from './contract.ts'

export interface SettingsDeps {
  database: Database
  settings: { allowPrivateNetwork: string[] }
  quota: Pick<Quota, 'of'>
}

const quotaIsTheAdmins = () =>
  new AppError('forbidden', 'Only the admin token can change the quota of a collection', {
    hint: 'Omit quota, or ask the operator of the server.',
  })

/** Runs that a preview counts. */
const mostPreviewed = 10_000

const shownExpired = ({ task, runs, bytes, reasons, oldest, newest }: ExpiredOfTask) => ({
  ...{ task, runs, bytes },
  by_days: reasons.days,
  by_runs: reasons.runs,
  by_bytes: reasons.bytes,
  by_label: reasons.label,
  oldest: timestamp(oldest),
  newest: timestamp(newest),
})

export const settingsRoutes = ({ database, quota, settings }: SettingsDeps): Route[] => {
  const spentToday = makeSpentToday(database)
  return implement(settingsContract, {
    getCollectionSettings: async ({ collection, addHeaders }) => {
      const shown = shownSettings(collection.settings ?? {})
      addHeaders({ etag: entityTag(shown) })
      return shown
    },

    updateCollectionSettings: async (call) => {
      const { collection, identity, body, note } = call
      if (body.quota !== undefined && identity.access !== 'ADMIN') throw quotaIsTheAdmins()
      const receiver = body.webhook?.url
      if (receiver) {
        const { allowed_hosts: hosts = collection.settings?.allowed_hosts } = body
        const allowedHosts = hosts ?? undefined
        const { allowPrivateNetwork } = settings
        requireWebhookTarget(receiver, { allowPrivateNetwork, allowedHosts, field: ['body', 'webhook', 'url'] })
      }
      const check = (before: Partial<CollectionSettings>) =>
        requireMatch(call, entityTag(shownSettings(before)), 'The settings of the collection')
      const set = await changeCollectionSettings(database, collection.id, body, check)
      if (!set) throw new AppError('not_found', 'Collection not found')
      note({ changes: body })
      const shown = shownSettings(set)
      call.addHeaders({ etag: entityTag(shown) })
      return shown
    },

    previewRetention: async ({ collection, body, signal }) => {
      const tried = changedSettings(collection.settings ?? {}, body)
      const { tasks, isComplete } = await previewRetention(database, collection.id, tried, mostPreviewed, signal)
      return {
        runs: tasks.reduce((sum, { runs }) => sum + runs, 0),
        bytes: tasks.reduce((sum, { bytes }) => sum + bytes, 0),
        is_complete: isComplete,
        tasks: tasks.map(shownExpired),
      }
    },

    getCollectionUsage: async ({ collection }) => {
      const [{ usage, limits, measuredAt }, spent] = await Promise.all([
        quota.of(collection.id),
        spentToday(collection.id),
      ])
      return {
        runs: usage.runs,
        stored_bytes: usage.databaseBytes + usage.fileBytes,
        database_bytes: usage.databaseBytes,
        file_bytes: usage.fileBytes,
        quota: { stored_bytes: limits.bytes, runs: limits.runs },
        measured: measuredAt && timestamp(measuredAt),
        spent_today: { usd: spent.usd, tokens: spent.tokens },
      }
    },
  })
}
