import { isIP } from 'node:net'
import { invalidField, messageOf } from '../../lib/errors.ts'
import { mayConnect, parseAllowRules } from '../../lib/net/addresses.ts'
import { requireAllowedHost } from '../../lib/net/hosts.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { Receiver } from '../../model/webhook.ts'
import { collectionWebhook } from '../../store/collections/collection-webhook.ts'
import type { Database } from '../../store/database/database.ts'

/** Address in a URL that names one literally, without a DNS lookup. */
const literalAddress = (hostname: string): string | undefined => {
  const bare = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (isIP(bare)) return bare
  return bare === 'localhost' || bare.endsWith('.localhost') ? '127.0.0.1' : undefined
}

/**
 * Refuses a webhook that could never be delivered: to a literal private address, or to a host the collection does not
 * allow. What a name resolves to is checked at each delivery. Throws a 422 for `webhook_url`, or for the given field.
 */
export const requireWebhookTarget = (
  text: string,
  at: { allowPrivateNetwork: string[]; allowedHosts: readonly string[] | undefined; field?: string[] },
): void => {
  const url = new URL(text)
  const field = at.field ?? ['body', 'webhook_url']
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  const address = literalAddress(url.hostname)
  if (address && !mayConnect(address, url.hostname, port, parseAllowRules(at.allowPrivateNetwork))) {
    const message =
      `'${url.host}' is a private, local or reserved address, which may not be called. To allow it, list it in ` +
      'JETTY_ALLOW_PRIVATE_NETWORK and restart the server'
    throw invalidField(field, message, 'address_refused')
  }
  try {
    requireAllowedHost(url, at.allowedHosts)
  } catch (error) {
    throw invalidField(field, messageOf(error), 'address_refused')
  }
}

/** Validated webhook of a request, or that of its collection; undefined without one. */
export const webhookOf = async (
  { database, sealer, settings }: { database: Database; sealer: Sealer; settings: { allowPrivateNetwork: string[] } },
  { webhook_url: url, webhook_secret: secret }: { webhook_url: string | null; webhook_secret: string | null },
  collection: FoundCollection,
): Promise<Receiver | undefined> => {
  if (url === null) return collectionWebhook(database, sealer, collection)
  const allowedHosts = collection.settings?.allowed_hosts ?? undefined
  requireWebhookTarget(url, { allowPrivateNetwork: settings.allowPrivateNetwork, allowedHosts })
  return { url, secret }
}
