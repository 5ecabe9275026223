import type { z } from 'zod'
import { implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import { type Delivery, type deliveriesSchema, deliverySchema, type Receiver } from '../../model/webhook.ts'
import { collectionWebhook } from '../../store/collections/collection-webhook.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import {
  type AttemptRow,
  attemptsOf,
  type CollectionAttempt,
  type DeliveryLog,
  deliveryLog,
  listAttempts,
  mostAttempts,
} from '../../store/webhooks.ts'
import { serializeRow } from '../serialize-row.ts'
import { webhooksContract } from './contract.ts'

type Deliveries = z.output<typeof deliveriesSchema>

/** An attempt for display. */
const shownDelivery = (row: AttemptRow): Delivery =>
  serializeRow(deliverySchema, row, {
    created: timestamp(row.started_at),
    status: row.delivered ? 'delivered' : 'failed',
  })

/** State of a run's webhook so far. */
const deliveriesOf = async (queries: Queries, run: RunRow): Promise<Deliveries> => {
  const log = await deliveryLog(queries, run.id)
  return {
    webhook_url: run.webhook_url,
    state: stateOf(run, log),
    next_attempt_at: timestampOrNull(log.nextAt),
    deliveries: log.attempts.map(shownDelivery),
  }
}

const stateOf = (run: RunRow, { attempts, isQueued }: DeliveryLog): Deliveries['state'] => {
  if (!run.webhook_url) return 'none'
  if (!run.ended_at) return 'waiting'
  if (attempts.some((one) => one.delivered)) return 'delivered'
  if (isQueued) return 'pending'
  return attempts.length === 0 ? 'skipped' : 'failed'
}

interface WebhooksDeps {
  database: Database
  sealer: Pick<Sealer, 'open'>
  webhooks: {
    redeliver(run: RunRow, payer: number): Promise<void>
    sendTest(test: WebhookTest): Promise<WebhookTested>
  }
}

/** A test delivery, as the sender of webhooks takes it. */
interface WebhookTest {
  collection: { id: number; name: string; payer: number }
  receiver: Receiver
  isSecret: boolean
  allowedHosts: readonly string[] | undefined
}

interface WebhookTested {
  statusCode: number | null
  error: string | null
  durationMs: number
  headers: Record<string, string>
  body: string
}

const listed = (row: CollectionAttempt) => ({
  ...shownDelivery(row),
  task: row.task,
  trajectory_id: row.trajectory_id,
  webhook_url: row.webhook_url,
})

interface RunCall {
  collection: { id: number }
  params: { task: string; trajectory_id: string }
}

const noReceiver = 'webhook_url is needed: the collection has no receiver of its own that could get the test'

export const webhooksRoutes = ({ database, sealer, webhooks }: WebhooksDeps): Route[] => {
  const runOf = async ({ collection, params }: RunCall): Promise<RunRow> => {
    const at = { collectionId: collection.id, task: params.task, trajectoryId: params.trajectory_id }
    const run = await findRun(database, at)
    if (!run) throw new AppError('not_found', `Trajectory '${params.trajectory_id}' not found`)
    return run
  }

  return implement(webhooksContract, {
    listDeliveries: async (call) => deliveriesOf(database, await runOf(call)),

    listCollectionDeliveries: async ({ collection, query }) => {
      const { limit, cursor, status } = query
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
      const isFailed = status === 'failed'
      const rows = await listAttempts(database, { collectionId: collection.id, before, limit: limit + 1, isFailed })
      const page = rows.slice(0, limit)
      const hasMore = rows.length > limit
      return { deliveries: page.map(listed), next_cursor: hasMore ? String(page.at(-1)?.id) : null, has_more: hasMore }
    },

    testWebhook: async ({ collection, body, note }) => {
      const { webhook_url: url, webhook_secret: secret, format } = body
      const own = url === null ? await collectionWebhook(database, sealer, collection) : { url, secret: null }
      if (own === undefined) throw invalidField(['body', 'webhook_url'], noReceiver)
      const isSecret = url === null && Boolean(collection.settings?.webhook?.url_variable)
      note({ changes: { host: isSecret ? '***' : new URL(own.url).host } })
      const allowedHosts = collection.settings?.allowed_hosts ?? undefined
      const receiver = { ...own, ...(secret !== null && { secret }), ...(format && { format }) }
      const made = await webhooks.sendTest({ collection, receiver, isSecret, allowedHosts })
      return {
        status: made.error === null ? ('delivered' as const) : ('failed' as const),
        status_code: made.statusCode,
        error: made.error,
        duration_ms: made.durationMs,
        sent: { headers: made.headers, body: made.body },
      }
    },

    redeliver: async (call) => {
      const run = await runOf(call)
      const { n } = call.params
      const attempts = await attemptsOf(database, run.id)
      if (!attempts.some((one) => String(one.n) === n)) {
        const numbers = attempts.length === 0 ? 'there is none yet' : `there are 1 to ${attempts.length}`
        throw new AppError('not_found', `Trajectory '${run.trajectory_id}' has no delivery ${n}; ${numbers}`)
      }
      if (attempts.length >= mostAttempts) {
        throw new AppError('conflict', `The run has ${attempts.length} deliveries, the maximum that is stored`, {
          hint: 'Read the trajectory itself with GET /api/v1/db/trajectory/{collection}/{task}/{trajectory_id}.',
        })
      }
      await webhooks.redeliver(run, call.collection.payer)
      call.note({ changes: { delivery: n } })
      return deliveriesOf(database, run)
    },
  })
}
