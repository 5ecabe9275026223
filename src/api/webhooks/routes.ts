import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { Queries } from '../../store/database/database.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import { type CollectionAttempt, listAttempts } from '../../store/webhook-lists.ts'
import { attemptsOf, mostAttempts } from '../../store/webhooks.ts'
import { webhooksContract } from './contract.ts'
import { deliveriesOf, shownDelivery } from './deliveries.ts'

export interface WebhooksDeps {
  database: Queries
  webhooks: {
    redeliver(run: RunRow, payer: number): Promise<void>
    sendTest(test: WebhookTest): Promise<WebhookTested>
  }
}

/** A test delivery, as the sender of webhooks takes it. */
interface WebhookTest {
  collection: { id: number; name: string }
  url: string
  secret: string | null
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

export const webhooksRoutes = ({ database, webhooks }: WebhooksDeps): Route[] => {
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
      const { webhook_url: url, webhook_secret: secret } = body
      const { host } = new URL(url ?? '')
      note({ changes: { host } })
      const allowedHosts = collection.settings?.allowed_hosts ?? undefined
      const made = await webhooks.sendTest({ collection, url: url ?? '', secret, allowedHosts })
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
