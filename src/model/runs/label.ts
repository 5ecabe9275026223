import { z } from 'zod'
import { timestampSchema } from '../names.ts'

export const longestLabelName = 200
export const largestLabelValueBytes = 8 * 1024

const encoder = new TextEncoder()

/** Text that Postgres gives back as it was: it has no NUL, and no half of a surrogate pair. */
const storable = (text: string): boolean => !text.includes('\0') && !/\p{Surrogate}/u.test(text)
const storableMessage = 'NUL and halves of surrogate pairs are not allowed'

/** A label's key or author: any text that is not empty. */
export const labelNameSchema = z.string().min(1).max(longestLabelName).refine(storable, storableMessage)

/** A label's value is text; numbers and booleans become text. */
export const labelValueSchema = z
  .union([z.string(), z.number(), z.boolean()], 'Expected a text, a number, true or false')
  .transform(String)
  .refine(storable, storableMessage)
  .refine(
    (text) => encoder.encode(text).length <= largestLabelValueBytes,
    `A value has at most ${largestLabelValueBytes} bytes`,
  )

export const newLabelSchema = z
  .object({ key: labelNameSchema, value: labelValueSchema, author: labelNameSchema })
  .meta({ id: 'NewLabel' })

export const labelSchema = z
  .object({
    key: z.string(),
    value: z.string(),
    created: timestampSchema,
    author: z.string().describe('As it was sent.'),
    recorded_by: z
      .string()
      .nullable()
      .describe(
        'Who set it, as the server knows it: `admin`, `api-key:<name> (key <id>)`, `run:<trajectory_id>` for a step, or ' +
          'the author of a run that began with it. Null where it was set before the server noted that.',
      ),
  })
  .meta({ id: 'Label' })
export type Label = z.infer<typeof labelSchema>
