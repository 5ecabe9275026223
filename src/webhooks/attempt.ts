import type { Queries } from '../database/database.ts'
import { messageOf } from '../lib/errors.ts'
import { requireAllowedHost } from '../lib/net/hosts.ts'
import type { Open } from '../lib/net/open.ts'
import type { Sealer } from '../lib/secrets/crypto.ts'
import { readCollectionSettings } from '../model/collections/collection-settings.ts'
import type { SealedWebhook } from '../model/webhook.ts'
import { findRunByKey, type RunRow } from '../store/runs/runs.ts'
import { webhookSecretSeal } from '../store/secrets/sealed-texts.ts'
import type { DeliveryAttempt, RunWebhook } from '../store/webhooks.ts'
import { webhookRequest } from './request.ts'
import { type Sent, sendWebhook } from './send.ts'

export interface AttemptDeps {
  database: Queries
  sealer: Pick<Sealer, 'open'>
  open: Open
  /** Current trajectory document of a run. */
  documentOf(run: RunRow): Promise<string>
  /** Milliseconds since 1970. */
  clock(): number
  timeoutSeconds: number
}

const unsealed = ({ sealer }: AttemptDeps, { sealed }: RunWebhook, runKey: string): SealedWebhook =>
  sealed === null ? { secret: null, url: null } : JSON.parse(sealer.open(sealed, webhookSecretSeal(runKey)))

/**
 * Makes one attempt to notify a run's receiver. Rejects only when the run cannot be read, so that nothing was
 * attempted; undefined when the run is gone.
 */
export const attemptDelivery = async (
  deps: AttemptDeps,
  runKey: string,
  webhook: RunWebhook,
  signal: AbortSignal,
): Promise<(DeliveryAttempt & Pick<Sent, 'isFinal'>) | undefined> => {
  const run = await findRunByKey(deps.database, runKey)
  if (!run) return undefined
  const document = await deps.documentOf(run)
  const startedMs = deps.clock()
  const begun = performance.now()
  const sent = await send(deps, { run, document, webhook, startedMs, signal })
  const { statusCode, error, isFinal } = sent
  return { delivered: error === null, statusCode, error, isFinal, startedMs, durationMs: performance.now() - begun }
}

const send = async (
  deps: AttemptDeps,
  given: { run: RunRow; document: string; webhook: RunWebhook; startedMs: number; signal: AbortSignal },
): Promise<Sent> => {
  const { run, document, webhook, startedMs, signal } = given
  let hidden: SealedWebhook
  try {
    hidden = unsealed(deps, webhook, run.id)
    requireAllowedHost(
      new URL(hidden.url ?? webhook.url),
      readCollectionSettings(webhook.settings).allowed_hosts ?? undefined,
    )
  } catch (error) {
    return { statusCode: null, error: messageOf(error), isFinal: true }
  }
  const request = webhookRequest({ trajectoryId: run.trajectory_id, document }, hidden.secret, startedMs)
  const url = hidden.url ?? webhook.url
  return sendWebhook(
    deps.open,
    { url, isSecret: hidden.url !== null, timeoutSeconds: deps.timeoutSeconds, signal },
    request,
  )
}
