import { timestamp, timestampOrNull } from '../../lib/time.ts'
import type { ShownEvent, ShownEventWait } from '../../model/events/event.ts'
import type { EventTaker, EventWaitOfRun, ReceivedEventRow } from '../../model/events/event-row.ts'

/** Converts a received event for an answer. */
export const shownEvent = (row: ReceivedEventRow): ShownEvent => ({
  number: row.number,
  event: row.event,
  key: row.key,
  callback: row.run_id !== null,
  id: row.event_id,
  state: row.state,
  reason: row.reason,
  taken_by: row.taken_by === null ? null : (JSON.parse(row.taken_by) as EventTaker),
  bytes: row.bytes,
  sent_by: row.sent_by,
  received_at: timestamp(row.received_at),
  expires_at: timestamp(row.expires_at),
})

/** Converts a step that waits for an event for the list of its collection. */
export const shownEventWait = (row: EventWaitOfRun, publicUrl: string): ShownEventWait => ({
  trajectory_id: row.trajectory_id,
  task: row.name.slice(row.name.indexOf('/') + 1),
  step: row.step,
  event: row.event,
  key: row.key,
  output_schema: row.payload_schema === null ? null : (JSON.parse(row.payload_schema) as Record<string, unknown>),
  waits_since: timestamp(row.waits_since),
  expires_at: timestampOrNull(row.expires_at),
  url: `${publicUrl}/${row.name}/${row.trajectory_id}`,
})
