import { z } from 'zod'
import { timestampSchema } from '../names.ts'

const count = z.int().min(0)

/** Usage of a collection, about a second old, and its limits. */
export const collectionUsageSchema = z
  .object({
    runs: count.describe('Runs that it keeps, calls of the gateway included.'),
    stored_bytes: count.describe('Both of the following.'),
    database_bytes: count.describe('Texts of its runs: parameters, inputs, outputs, errors, events of agents.'),
    file_bytes: count.describe('Its files.'),
    quota: z.object({ stored_bytes: count, runs: count }).describe('Above these nothing more is stored.'),
    measured: timestampSchema
      .nullable()
      .describe('When the numbers were last measured; what came since is added. null: not measured yet.'),
  })
  .meta({ id: 'CollectionUsage' })
