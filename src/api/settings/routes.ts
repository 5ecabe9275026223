import { entityTag, requireMatch } from '../../http/entity-tag.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import {
  changeByKey,
  changeByOperator,
  type SettingsLayers,
  shownLayers,
} from '../../model/collections/bound-settings.ts'
import {
  changedSettings,
  collectionSettingNames,
  type SetCollectionSettings,
} from '../../model/collections/collection-settings.ts'
import { makeSpentToday } from '../../store/calls/budget.ts'
import { changeSettingsLayers, readSettingsLayers } from '../../store/collections/collections.ts'
import type { Quota } from '../../store/collections/quota.ts'
import { type ExpiredOfTask, previewRetention } from '../../store/collections/retention.ts'
import type { Database } from '../../store/database/database.ts'
import { requireWebhookTarget } from '../webhooks/check-url.ts'
import { settingsContract } from './contract.ts'

export interface SettingsDeps {
  database: Database
  settings: { allowPrivateNetwork: string[]; rateLimit: number }
  quota: Pick<Quota, 'of'>
}

const found = (layers: SettingsLayers | undefined): SettingsLayers => {
  if (!layers) throw new AppError('not_found', 'Collection not found')
  return layers
}

/** Settings that a key resets to the default, and that the operator has set. */
const resetInVain = (change: SetCollectionSettings, { operator }: SettingsLayers): string[] =>
  collectionSettingNames.filter((name) => change[name] === null && operator[name] !== undefined)

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
      const shown = shownLayers(found(await readSettingsLayers(database, collection.id)))
      addHeaders({ etag: entityTag(shown) })
      return shown
    },

    updateCollectionSettings: async (call) => {
      const { collection, identity, body, note } = call
      const receiver = body.webhook?.url
      if (receiver) {
        const { allowed_hosts: hosts = collection.settings?.allowed_hosts } = body
        const allowedHosts = hosts ?? undefined
        const { allowPrivateNetwork } = settings
        requireWebhookTarget(receiver, { allowPrivateNetwork, allowedHosts, field: ['body', 'webhook', 'url'] })
      }
      const changed = await changeSettingsLayers(database, collection.id, (before) => {
        requireMatch(call, entityTag(shownLayers(before)), 'The settings of the collection')
        if (identity.access === 'ADMIN') return changeByOperator(before, body)
        const after = changeByKey(
          before,
          body,
          settings.rateLimit > 0 ? { rate_limit_per_minute: settings.rateLimit } : {},
        )
        if (!('refused' in after)) return after
        const { path, message } = after.refused
        throw new AppError('forbidden', message, { hint: `Omit ${path[0]}, or ask the operator of the server.` })
      })
      const layers = found(changed)
      note({ changes: body })
      for (const name of resetInVain(body, layers)) {
        call.warn({
          field: name,
          message: `${name} stays as the operator of this server has set it`,
          did_you_mean: null,
        })
      }
      const shown = shownLayers(layers)
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
      const [{ usage, others, limits, together, measuredAt }, spent] = await Promise.all([
        quota.of(collection.id),
        spentToday(collection.id),
      ])
      return {
        runs: usage.runs,
        stored_bytes: usage.databaseBytes + usage.fileBytes,
        database_bytes: usage.databaseBytes,
        file_bytes: usage.fileBytes,
        quota: { stored_bytes: limits.bytes, runs: limits.runs },
        together: {
          runs: usage.runs + others.runs,
          stored_bytes: usage.databaseBytes + usage.fileBytes + others.bytes,
          quota: { stored_bytes: together.bytes, runs: together.runs },
        },
        measured: measuredAt && timestamp(measuredAt),
        spent_today: { usd: spent.usd, tokens: spent.tokens },
      }
    },
  })
}
