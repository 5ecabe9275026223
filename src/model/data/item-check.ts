import { z } from 'zod'
import { jsonObjectSchema } from '../names.ts'
import { warningSchema } from '../warning.ts'

/** What a write of items would come to. */
export const itemCheckSchema = z
  .object({
    added: z.int(),
    changed: z.int(),
    removed: z.int(),
    unchanged: z.int(),
    count: z.int().describe('Items of the version that would be made.'),
    refused_count: z.int().describe('Rows that would be refused. A write with such rows writes nothing.'),
    refused: z
      .array(
        z.object({
          line: z.int().describe('Line of the file, or number of the row, from 1.'),
          id: z.string(),
          pointer: z.string().describe('JSON pointer into the data; empty for the data as a whole.'),
          message: z.string(),
        }),
      )
      .describe('What is wrong with refused rows: the first 100 faults.'),
    items: z
      .array(
        z.object({
          line: z.int(),
          id: z.string(),
          change: z.enum(['added', 'changed', 'unchanged']),
          data: jsonObjectSchema,
        }),
      )
      .describe('The first 50 rows that fit.'),
    warnings: z.array(warningSchema).optional(),
  })
  .meta({ id: 'ItemCheck' })
export type ItemCheck = z.output<typeof itemCheckSchema>
