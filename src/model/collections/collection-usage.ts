import { z } from 'zod'
import { timestampSchema } from '../names.ts'

const count = z.int().min(0)

/** Usage of a collection, about a second old, and its limits. */
export const collectionUsageSchema = z
  .object({
    runs: count.describe('Number of stored runs, gateway calls included.'),
    stored_bytes: count.describe('Sum of `database_bytes` and `file_bytes`.'),
    database_bytes: count.describe(
      'Bytes of the texts of its runs: parameters, inputs, outputs, errors, agent events.',
    ),
    file_bytes: count.describe('Bytes of its files.'),
    quota: z.object({ stored_bytes: count, runs: count }).describe('Limits above which writes are refused.'),
    together: z
      .object({ runs: count, stored_bytes: count, quota: z.object({ stored_bytes: count, runs: count }) })
      .describe('What all collections that were made with the keys of the same collection store, it included.'),
    measured: timestampSchema
      .nullable()
      .describe('Time of the last measurement; later changes are added to it. null: not measured yet.'),
    spent_today: z
      .object({
        usd: z.number().describe('US dollars of calls with a known price.'),
        tokens: count.describe('Tokens in and out, cached ones included.'),
      })
      .describe('Model calls of this day (UTC), which the daily budget limits.'),
  })
  .meta({ id: 'CollectionUsage' })
