import { z } from 'zod'
import { isName } from '../names.ts'

const mostLabels = 50
const mostTasks = 200

const days = z.int().min(1).max(36_500)
const strict: z.core.$ZodObjectParams = {
  error: (issue) =>
    issue.code === 'unrecognized_keys' ? `Unknown member '${issue.keys[0]?.slice(0, 100)}'` : undefined,
}

/** A label that runs may have: `key`, or `key:value`. */
const labelText = z
  .string()
  .max(1_000)
  .refine((text) => /^[^:\0][^\0]*$/.test(text), 'Expected a label: key, or key:value')

/** Limits of the runs of one task. */
const taskLimits = {
  runs: z.int().min(1).max(1_000_000_000).nullable().describe('Newest runs of each task that are kept. null: all.'),
  bytes: z
    .int()
    .min(1)
    .nullable()
    .describe(
      'Bytes that the kept runs of each task may take, steps and files included; the newest are kept. null: any.',
    ),
}

const named = <Value extends z.ZodType>(value: Value, most: number) =>
  z.record(z.string().max(1_000), value.nullable()).refine((all) => Object.keys(all).length <= most, {
    error: `At most ${most} entries`,
  })

/** When runs are deleted, beside `retention_days`. */
export const retentionSchema = z
  .strictObject(
    {
      ...taskLimits,
      keep_labels: z
        .array(labelText)
        .max(mostLabels)
        .nullable()
        .describe('Labels whose runs are never deleted by retention: `key`, or `key:value`. null: none.'),
      labels: named(z.strictObject({ days }, strict), mostLabels)
        .refine((all) => Object.keys(all).every((label) => labelText.safeParse(label).success), {
          error: 'Expected labels as names: key, or key:value',
        })
        .nullable()
        .describe('Days after its end until a run with a label is deleted, by label: `{"env:test": {"days": 1}}`.'),
      tasks: named(z.strictObject({ days: days.nullable(), ...taskLimits }, strict).partial(), mostTasks)
        .refine((all) => Object.keys(all).every(isName), { error: 'Expected names of tasks' })
        .nullable()
        .describe('Limits of single tasks, by name; `days` replaces `retention_days`. null: none.'),
    },
    strict,
  )
  .partial()

export type Retention = z.infer<typeof retentionSchema>

/** A label to match: any value where that is null. */
export interface RetentionLabel {
  key: string
  value: string | null
}

export const retentionLabel = (text: string): RetentionLabel => {
  const colon = text.indexOf(':')
  return colon < 0 ? { key: text, value: null } : { key: text.slice(0, colon), value: text.slice(colon + 1) }
}
