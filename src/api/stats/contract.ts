import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { momentSchema, textSchema, timestampSchema } from '../../model/names.ts'
import { dailyStatsSchema } from '../../model/runs/daily-stats.ts'
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
    success_rate: z
      .number()
      .nullable()
      .describe('Share of completed runs among completed and failed runs; null if there are none.'),
    avg_duration_seconds: seconds.describe('Durations of ended runs, from creation to end, including waiting.'),
    min_duration_seconds: seconds,
    max_duration_seconds: seconds,
    p50_duration_seconds: seconds.describe('From a histogram, with an error of at most 5 %.'),
    p95_duration_seconds: seconds.describe('From a histogram, with an error of at most 5 %.'),
    first_run: timestampSchema.nullable(),
    last_run: timestampSchema.nullable(),
    steps: z
      .record(z.string(), z.object({ count, failed: count, avg_duration_seconds: z.number() }))
      .describe('Ended steps by name, for at most 1,000 names.'),
    labels: z
      .record(z.string(), z.record(z.string(), count))
      .describe('Number of runs by label value, for at most 100 keys and the 50 most frequent values of each.'),
  })
  .meta({ id: 'Stats' })

export const statsContract = {
  getStats: endpoint({
    method: 'GET',
    path: '/api/v1/db/stats/{collection}/{task}',
    summary: 'Statistics of all runs of a task: by status, durations, steps and labels',
    tag: 'Trajectories',
    collectionMissing: "Task '{task}' in collection '{collection}' not found",
    response: statsSchema,
  }),
  getCollectionStats: endpoint({
    method: 'GET',
    path: '/api/v1/stats/{collection}',
    summary: 'Statistics of a collection, or of some of its tasks, over days: ended runs, durations, cost and tokens',
    tag: 'Runs',
    query: z.object({
      task: z.array(textSchema.max(200)).max(20).default([]).describe('Name of a task; repeat to include several.'),
      from: momentSchema.optional().describe('The first day (UTC); default: 29 days before `to`.'),
      to: momentSchema.optional().describe('The last day (UTC), included; default: today.'),
      by: z.enum(['day', 'model', 'task', 'label']).default('day').describe('By what the rows are grouped.'),
      label: textSchema
        .max(1000)
        .optional()
        .describe(
          'Only cost, tokens and calls with this label, by day: `user`, `session` or a key of the setting `label_totals`, or one value, such as `user:u-17`. With `by=label`: the key by whose values rows are grouped.',
        ),
    }),
    response: dailyStatsSchema,
  }),
}
