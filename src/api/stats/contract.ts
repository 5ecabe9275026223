import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { timestampSchema } from '../../model/names.ts'
import { runStatuses } from '../../model/workflows/workflow.ts'

const seconds = z.number().nullable()
const count = z.int()

const statsSchema = z
  .object({
    collection: z.string(),
    task: z.string(),
    name: z.string(),
    total: count,
    total_runs: count,
    completed: count,
    failed: count,
    running: count,
    by_status: z.object(Object.fromEntries(runStatuses.map((status) => [status, count]))),
    success_rate: z.number().nullable().describe('Completed of all that completed or failed; null before any did.'),
    avg_duration_seconds: seconds.describe('Of runs that have ended, from created to ended; waiting is part of it.'),
    min_duration_seconds: seconds,
    max_duration_seconds: seconds,
    p50_duration_seconds: seconds.describe('From a histogram: at most 5 % off.'),
    p95_duration_seconds: seconds.describe('From a histogram: at most 5 % off.'),
    first_run: timestampSchema.nullable(),
    last_run: timestampSchema.nullable(),
    steps: z
      .record(z.string(), z.object({ count, failed: count, avg_duration_seconds: z.number() }))
      .describe('Steps that have ended, by name; at most 1,000 names.'),
    labels: z
      .record(z.string(), z.record(z.string(), count))
      .describe('How often each value of a label was set: at most 100 keys, the 50 most frequent values of each.'),
  })
  .meta({ id: 'Stats' })

export const statsContract = {
  getStats: endpoint({
    method: 'GET',
    path: '/api/v1/db/stats/{collection}/{task}',
    summary: 'Numbers about all runs of a task: by status, durations, steps and labels',
    tag: 'Trajectories',
    collectionMissing: "Task '{task}' in collection '{collection}' not found",
    response: statsSchema,
  }),
}
