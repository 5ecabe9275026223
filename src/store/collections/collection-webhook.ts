import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { CollectionSettings } from '../../model/collections/collection-settings.ts'
import { isWebAddress } from '../../model/web-address.ts'
import type { Receiver } from '../../model/webhook.ts'
import type { Database } from '../database/database.ts'
import { readEnvironment } from './environments.ts'

/**
 * The receiver that runs of a collection notify when they name none; undefined without one. Its address and secret may be
 * variables of the collection, as those are now; a variable with no web address is no receiver.
 */
export const collectionWebhook = async (
  database: Database,
  sealer: Pick<Sealer, 'open'>,
  { id, settings }: { id: number; settings?: Partial<CollectionSettings> | undefined },
): Promise<Receiver | undefined> => {
  const webhook = settings?.webhook
  if (!webhook?.url && !webhook?.url_variable) return undefined
  const { url_variable: address, secret_variable: signing } = webhook
  const variables = address || signing ? await readEnvironment(database, sealer, id) : new Map<string, string>()
  const url = webhook.url ?? variables.get(address ?? '')?.trim()
  if (!url || !isWebAddress(url)) return undefined
  return {
    url,
    secret: variables.get(signing ?? '') ?? null,
    statuses: webhook.statuses ?? undefined,
    format: webhook.format ?? undefined,
  }
}
