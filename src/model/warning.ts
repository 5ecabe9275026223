import { z } from 'zod'

/** A part of a request that the server ignored or may have misread. The request succeeded. */
export const warningSchema = z
  .object({
    field: z.string().describe('Path of the member, such as `workflow.step`, or name of the query parameter.'),
    message: z.string().describe('What happened, in one sentence that suggests the probable correction.'),
    did_you_mean: z.string().nullable().describe('Nearest known name; null if none is near.'),
  })
  .meta({ id: 'Warning' })

export type Warning = z.output<typeof warningSchema>
