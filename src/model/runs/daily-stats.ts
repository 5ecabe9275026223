import { z } from 'zod'
import { runCountsSchema } from './run-totals.ts'

const seconds = z.number().nullable()

const figures = {
  runs: z
    .object({ total: z.int(), by_status: runCountsSchema })
    .nullable()
    .describe('Runs that ended, on the day (UTC) of their end; null by model and by label.'),
  p50_duration_seconds: seconds.describe('From a histogram, with an error of at most 5 %.'),
  p95_duration_seconds: seconds.describe('From a histogram, with an error of at most 5 %.'),
  cost_usd: z.number().describe('Of model calls with a known price, on the day (UTC) of the call.'),
  tokens: z.int(),
  calls: z.int().describe('Model calls that used tokens or cost something.'),
}

export const dailyStatsSchema = z
  .object({
    collection: z.string(),
    from: z.string().meta({ format: 'date' }),
    to: z.string().meta({ format: 'date' }).describe('The last day, included.'),
    label: z.string().nullable().describe('The label whose calls count, `key` or `key:value`; null: all calls.'),
    by: z.enum(['day', 'model', 'task', 'label']),
    rows: z
      .array(z.object({ key: z.string().describe('Day, `provider/model`, task, or value of the label.'), ...figures }))
      .describe('Sorted by key. Days without runs and calls are left out.'),
    totals: z.object(figures),
  })
  .meta({ id: 'DailyStats' })
export type DailyStats = z.output<typeof dailyStatsSchema>
