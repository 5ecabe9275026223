import { z } from 'zod'

/** A part of a request that the server ignored or may have misread. The request succeeded. */
export const warningSchema = z
  .object({
    field: z.string().describe('Path of the member, such as `workflow.step`, or name of the query parameter.'),
    message: z.string().describe('What happened, as a whole sentence; it names what was probably meant.'),
    did_you_mean: z.string().nullable().describe('The known name that is nearest, or null where none is near.'),
  })
  .meta({ id: 'Warning' })

export type Warning = z.output<typeof warningSchema>
