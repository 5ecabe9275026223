import type { z } from 'zod'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import type { Delivery, deliveriesSchema } from '../../model/webhook.ts'
import type { Queries } from '../../store/database/database.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { type AttemptRow, type DeliveryLog, deliveryLog } from '../../store/webhooks.ts'

type Deliveries = z.output<typeof deliveriesSchema>

/** An attempt for display. */
export const shownDelivery = (row: AttemptRow): Delivery => ({
  n: row.n,
  created: timestamp(row.started_at),
  status: row.delivered ? 'delivered' : 'failed',
  status_code: row.status_code,
  error: row.error,
  duration_ms: row.duration_ms,
  by_hand: row.by_hand,
})

/** State of a run's webhook so far. */
export const deliveriesOf = async (queries: Queries, run: RunRow): Promise<Deliveries> => {
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
