import { timestamp } from '../../lib/time.ts'
import type { LogEvent } from '../../model/runs/run-events.ts'
import type { AttemptRow } from '../../store/webhooks.ts'

/** Makes log events of the deliveries of a run's webhook. */
export const deliveryEvents = (attempts: AttemptRow[]): LogEvent[] =>
  attempts.map(({ n, delivered, status_code, error, started_at, duration_ms, by_hand }) => ({
    timestamp: timestamp(started_at),
    level: delivered ? 'info' : 'warning',
    type: delivered ? 'webhook_delivered' : 'webhook_failed',
    step: null,
    activity: null,
    message: delivered ? 'Webhook delivered' : `Webhook not delivered: ${error}`,
    attributes: { delivery: n, status_code, duration_ms, by_hand },
  }))
