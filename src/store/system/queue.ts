import { bool, int, list, moment, orNull, query, queryRow, type Row, text } from '../database/table.ts'

const lengths = { open: int, parked: int, queued: int, oldestQueuedAt: orNull(moment), webhooks: int }
export type QueueLengths = Row<typeof lengths>

/** Where counting ends: each count reads an index, and no more of it than this. */
const mostCounted = 10_000

const counted = (from: string): string => `(select count(*)::int from (select ${from} limit ${mostCounted}) x)`

/** How much waits, each counted to ten thousand. */
export const queueLengths = queryRow(
  'queue_lengths',
  lengths,
  `select ${counted('from runs where ended_at is null')} as open,
     ${counted('from runs where lease is null and ended_at is null')} as parked,
     ${counted('from queued_leases')} as queued,
     (select min(queued_at) from (select queued_at from queued_leases limit ${mostCounted}) x) as "oldestQueuedAt",
     ${counted('from webhook_queue')} as webhooks`,
)

const worker = { id: text, beat_at: moment, is_alive: bool, labels: list(text) }
export type WorkerRow = Row<typeof worker>

/** SQL condition: a process has sent a heartbeat so lately that its peers do not take it for dead. */
const isAlive = `beat_at > now() - interval '6 seconds'`

/** Processes that execute runs, the last seen first. */
export const listWorkers = query(
  'list_workers',
  worker,
  `select id, beat_at, ${isAlive} as is_alive, labels from executors order by beat_at desc limit 100`,
)
