import { messageOf } from '../../lib/errors.ts'
import { requireAllowedHost } from '../../lib/net/hosts.ts'
import type { Open } from '../../lib/net/open.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { SealedWebhook } from '../../model/webhook.ts'
import type { Queries } from '../../store/database/database.ts'
import { findRunByKey, type RunRow } from '../../store/runs/runs.ts'
import { webhookSecretSeal } from '../../store/secrets/sealed-texts.ts'
import type { DeliveryAttempt, RunWebhook } from '../../store/webhooks.ts'
import { webhookRequest } from './request.ts'
import { type Sent, sendWebhook } from './send.ts'

export interface AttemptDeps {
  database: Queries
  sealer: Pick<Sealer, 'open'>
  open: Open
  /** Current trajectory document of a run. */
  documentOf(run: RunRow): Promise<string>
  /** Address of a run's page. */
  pageOf(run: RunRow): string
  /** Milliseconds since 1970. */
  clock(): number
  timeoutSeconds: number
}

const unsealed = ({ sealer }: AttemptDeps, { sealed }: RunWebhook, runKey: string): SealedWebhook =>
  sealed === null ? { secret: null, url: null } : JSON.parse(sealer.open(sealed, webhookSecretSeal(runKey)))

/** The hidden parts of a webhook, or why they cannot be read. */
const openSealed = (deps: AttemptDeps, webhook: RunWebhook, runKey: string): SealedWebhook | { problem: string } => {
  try {
    const hidden = unsealed(deps, webhook, runKey)
    const { allowed_hosts: hosts } = readCollectionSettings(webhook.settings)
    requireAllowedHost(new URL(hidden.url ?? webhook.url), hosts ?? undefined)
    return hidden
  } catch (error) {
    return { problem: messageOf(error) }
  }
}

/** A line about a run that has ended, in the form that the incoming webhooks of chats read. */
const textOf = ({ name, trajectory_id: id, status, error }: RunRow, page: string): string =>
  JSON.stringify({ text: `${name}/${id} ${status}${error ? `: ${error}` : ''}\n${page}` })

/**
 * Makes one attempt to notify a run's receiver. Rejects only when the run cannot be read, so that nothing was
 * attempted; undefined when the run is gone, or when the schedule, not a person, wants to tell of an end that the
 * receiver does not hear of.
 */
export const attemptDelivery = async (
  deps: AttemptDeps,
  runKey: string,
  webhook: RunWebhook,
  { isScheduled, signal }: { isScheduled: boolean; signal: AbortSignal },
): Promise<(DeliveryAttempt & Pick<Sent, 'isFinal'>) | undefined> => {
  const run = await findRunByKey(deps.database, runKey)
  if (!run) return undefined
  const hidden = openSealed(deps, webhook, run.id)
  if (isScheduled && 'secret' in hidden && hidden.statuses?.includes(run.status) === false) return undefined
  const isText = 'secret' in hidden && hidden.format === 'text'
  const document = isText ? textOf(run, deps.pageOf(run)) : await deps.documentOf(run)
  const startedMs = deps.clock()
  const begun = performance.now()
  const sent = await send(deps, { run, document, webhook, hidden, startedMs, signal })
  const { statusCode, error, isFinal } = sent
  return { delivered: error === null, statusCode, error, isFinal, startedMs, durationMs: performance.now() - begun }
}

interface Delivery {
  run: RunRow
  document: string
  webhook: RunWebhook
  hidden: ReturnType<typeof openSealed>
  startedMs: number
  signal: AbortSignal
}

const send = async (deps: AttemptDeps, given: Delivery): Promise<Sent> => {
  const { run, document, webhook, hidden, startedMs, signal } = given
  if ('problem' in hidden) return { statusCode: null, error: hidden.problem, isFinal: true }
  const request = webhookRequest({ trajectoryId: run.trajectory_id, document }, hidden.secret, startedMs)
  const url = hidden.url ?? webhook.url
  return sendWebhook(
    deps.open,
    { url, isSecret: hidden.url !== null, timeoutSeconds: deps.timeoutSeconds, signal },
    request,
  )
}
