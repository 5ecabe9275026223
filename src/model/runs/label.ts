import { z } from 'zod'
import { timestampSchema } from '../names.ts'

const longestLabelName = 200
const largestLabelValueBytes = 8 * 1024

/** Label keys that a collection counts beside `user` and `session`. */
export const mostCountedLabels = 4
/** Values of a label that are counted in a day by themselves, unless the collection sets another number. */
export const defaultLabelValuesPerDay = 10_000
/** What further values of a day are counted under. */
export const otherLabelValue = '(other)'

const encoder = new TextEncoder()

/** Text that Postgres stores unchanged: without NUL and lone surrogates. */
const storable = (text: string): boolean => !text.includes('\0') && !/\p{Surrogate}/u.test(text)
const storableMessage = 'NUL and halves of surrogate pairs are not allowed'

/** Key or author of a label: any non-empty text. */
export const labelNameSchema = z.string().min(1).max(longestLabelName).refine(storable, storableMessage)

/** Value of a label: text; numbers and booleans are converted. */
export const labelValueSchema = z
  .union([z.string(), z.number(), z.boolean()], 'Expected a text, a number, true or false')
  .transform(String)
  .refine(storable, storableMessage)
  .refine(
    (text) => encoder.encode(text).length <= largestLabelValueBytes,
    `A value has at most ${largestLabelValueBytes} bytes`,
  )

/** Labels that a run starts with: a list, or an object of keys and values. */
export const startLabelsSchema = z
  .union([
    z.array(z.object({ key: labelNameSchema, value: labelValueSchema })),
    z
      .record(labelNameSchema, labelValueSchema)
      .transform((values) => Object.entries(values).map(([key, value]) => ({ key, value }))),
  ])
  .describe('Labels that the run starts with: a list of `{"key", "value"}`, or an object.')
export type StartLabel = z.output<typeof startLabelsSchema>[number]

/** Members of the `jetty` block of a chat that label its run. */
export const attributionMembers = {
  labels: startLabelsSchema.nullish(),
  user: labelValueSchema.nullish().describe('For whom the call is made: recorded as the label `user`.'),
  session: labelValueSchema.nullish().describe('Conversation of the call: recorded as the label `session`.'),
}

const none: readonly StartLabel[] = []

/** The labels that a block asks for, each key once: a run has one value of a key by one author. */
export const startLabels = (block: {
  labels?: readonly StartLabel[] | null | undefined
  user?: string | null | undefined
  session?: string | null | undefined
}): readonly StartLabel[] => {
  const { labels, user, session } = block
  if (labels == null && user == null && session == null) return none
  const values = new Map(labels?.map(({ key, value }) => [key, value]))
  if (user != null) values.set('user', user)
  if (session != null) values.set('session', session)
  return [...values].map(([key, value]) => ({ key, value }))
}

/** Merges lists of labels: of two with the same key the one in the later list counts. */
export const mergedLabels = (...lists: (readonly StartLabel[])[]): StartLabel[] => [
  ...new Map(lists.flat().map((label) => [label.key, label])).values(),
]

export const newLabelSchema = z
  .object({ key: labelNameSchema, value: labelValueSchema, author: labelNameSchema })
  .meta({ id: 'NewLabel' })

export const labelSchema = z
  .object({
    key: z.string(),
    value: z.string(),
    created: timestampSchema,
    author: z.string().describe('Author as the client sent it.'),
    recorded_by: z
      .string()
      .nullable()
      .describe(
        'Who set it, as authenticated: `admin`, `api-key:<name> (key <id>)`, `run:<trajectory_id>` for a step, or the author of a run that started with it. Null for labels set before the server noted it.',
      ),
  })
  .meta({ id: 'Label' })
export type Label = z.infer<typeof labelSchema>
