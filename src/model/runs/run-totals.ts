import { z } from 'zod'
import { timestampSchema } from '../names.ts'
import { runStatuses } from '../workflows/workflow.ts'

/** Numbers of runs by status, each status included. */
export const runCountsSchema = z.object(
  Object.fromEntries(runStatuses.map((status) => [status, z.int()])) as Record<(typeof runStatuses)[number], z.ZodInt>,
)

/** Totals of the runs of a task or a collection. */
export const runTotalsSchema = z
  .object({
    total: z.int(),
    by_status: runCountsSchema,
    waiting: z.int().describe('Steps that wait for a person.'),
    last: z
      .object({
        trajectory_id: z.string(),
        task: z.string(),
        status: z.enum(runStatuses),
        created: timestampSchema,
      })
      .nullable()
      .describe('The newest run; null where there is none.'),
  })
  .meta({ id: 'RunTotals' })
export type RunTotals = z.output<typeof runTotalsSchema>
