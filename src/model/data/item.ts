import { z } from 'zod'
import { jsonObjectSchema, timestampSchema } from '../names.ts'

/** Id of an item: one line of text. */
export const itemIdSchema = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'Control characters are not allowed')

/** The run that an item was made from. */
const itemOriginSchema = z
  .object({
    collection: z.string(),
    task: z.string(),
    trajectory_id: z.string(),
    step: z
      .string()
      .optional()
      .describe('The step that it was made from, with its inputs as parameters; absent: the run.'),
    output_path: z
      .string()
      .nullable()
      .describe('Path to the output that was taken; null: the outputs of the last step.'),
    corrected: z.boolean().describe('Whether `expected` is a correction by a person instead of the output.'),
  })
  .meta({ id: 'ItemOrigin' })
export type ItemOrigin = z.output<typeof itemOriginSchema>

const givenItemSchema = z.object({
  id: itemIdSchema
    .optional()
    .describe('Stable id. Without one it is made from the hash of the data, so the same data is the same item.'),
  data: jsonObjectSchema.describe(
    'Parameters of a run by name. `expected` is the expected result: judges see it, runs do not.',
  ),
})

const mostItemsAtOnce = 10_000

export const writeItemsSchema = z
  .object({
    items: z.array(givenItemSchema).max(mostItemsAtOnce).default([]),
    remove: z.array(itemIdSchema).max(mostItemsAtOnce).default([]).describe('Ids of items to remove.'),
    mode: z
      .enum(['upsert', 'replace'])
      .default('upsert')
      .describe('`upsert`: other items stay. `replace`: the dataset then has exactly these items.'),
  })
  .meta({ id: 'WriteItems' })

/** What a write came to. */
export const writtenItemsSchema = z
  .object({
    version: z.int().describe('Index of the newest version; a write that changes nothing makes no version.'),
    added: z.int(),
    changed: z.int(),
    removed: z.int(),
    unchanged: z.int(),
    count: z.int().describe('Items of the newest version.'),
  })
  .meta({ id: 'WrittenItems' })
export type WrittenItems = z.output<typeof writtenItemsSchema>

export const itemSchema = z
  .object({
    id: z.string(),
    data: jsonObjectSchema,
    split: z.string().nullable().describe('Split of the item; null without splits.'),
    hash: z.string().describe('SHA-256 of the data as JSON with sorted keys and no spaces.'),
    source: itemOriginSchema.nullable().describe('The run that it was made from.'),
    version: z.int().describe('Index of the version that brought this content.'),
    author: z.string(),
    created_at: timestampSchema,
  })
  .meta({ id: 'Item' })

export const itemPageSchema = z
  .object({
    version: z.int().describe('Index of the version that was read.'),
    total: z.int().describe('Items of the version, or of the split.'),
    searched: z.int().optional().describe('With `q`: how many of them this call looked through.'),
    items: z.array(itemSchema),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: 'ItemPage' })

export const itemDifferencesSchema = z
  .object({
    from: z.int().describe('Index of the first version.'),
    to: z.int().describe('Index of the second version.'),
    items: z.array(
      z.object({
        id: z.string(),
        change: z.enum(['added', 'removed', 'changed']),
        before: jsonObjectSchema.nullable(),
        after: jsonObjectSchema.nullable(),
      }),
    ),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: 'ItemDifferences' })
