import { z } from 'zod'
import { labelTextSchema, textSchema, timestampSchema } from './names.ts'

/** Maximum number of views of a collection. */
export const mostViews = 200

export const viewNameSchema = labelTextSchema

export const saveViewSchema = z
  .strictObject({
    task: textSchema.max(200).nullish().describe('Task whose runs it shows; null: those of the whole collection.'),
    query: textSchema
      .max(4_000)
      .describe('Query string of the list of runs, such as `status=failed&label_not=reviewed`.'),
    columns: z.array(textSchema.min(1).max(100)).max(50).default([]).describe('Columns to show, in order; empty: all.'),
  })
  .meta({ id: 'SaveView' })

export const viewSchema = z
  .object({
    name: z.string(),
    task: z.string().nullable(),
    query: z.string(),
    columns: z.array(z.string()),
    author: z.string().describe('Who saved it last.'),
    created_at: timestampSchema,
    updated_at: timestampSchema,
  })
  .meta({ id: 'View' })
export type View = z.output<typeof viewSchema>
