import { z } from 'zod'
import { timestampSchema } from '../names.ts'
import { retentionSchema } from './retention.ts'

const count = z.int().min(0)

/** Settings to try; absent members are as they are set. */
export const retentionTrialSchema = z
  .strictObject({
    retention_days: z.int().min(1).max(36_500).nullable().describe('As in the settings of the collection.'),
    retention: retentionSchema
      .nullable()
      .describe('As in the settings of the collection; members that are absent stay.'),
  })
  .partial()
  .meta({ id: 'RetentionTrial' })

/** What retention would delete now. */
export const retentionPreviewSchema = z
  .object({
    runs: count.describe('Runs that would be deleted.'),
    bytes: count.describe('Bytes of their texts and files.'),
    is_complete: z.boolean().describe('false: the count stopped at 10,000 runs, and there are more.'),
    tasks: z
      .array(
        z.object({
          task: z.string(),
          runs: count,
          bytes: count,
          by_days: count.describe('Runs that are too old.'),
          by_runs: count.describe('Runs beyond the number that is kept.'),
          by_bytes: count.describe('Runs beyond the bytes that are kept.'),
          by_label: count.describe('Runs with a label that is kept for fewer days.'),
          oldest: timestampSchema.describe('Creation of the oldest of these runs.'),
          newest: timestampSchema.describe('Creation of the newest of these runs.'),
        }),
      )
      .describe('Tasks with runs that would be deleted, deleted tasks included.'),
  })
  .meta({ id: 'RetentionPreview' })

export type RetentionTrial = z.infer<typeof retentionTrialSchema>
