import { z } from 'zod'
import { activity } from '../activity.ts'

const name = z.string().min(1).max(200)

const outputs = z.object({
  trajectory_id: z.string().describe('The run that has it.'),
  key: z.string().describe('Name of the label.'),
  value: z.string().describe('Its value as text.'),
  author: z.string().describe('Who said so.'),
})

/** Sets a label of a run; repeating it has no further effect. */
export const labelRun = activity({
  name: 'label_run',
  category: 'data',
  description: 'Sets a label of a run of the same collection, in the place of the one with the same key and author.',
  parameters: z.object({
    trajectory_id: z.string().min(1).describe('The run.'),
    key: name.describe('Name of the label.'),
    value: z.union([z.string(), z.number(), z.boolean()]).describe('Its value; stored as text.'),
    author: name.optional().describe('Who says so; the author of this run where absent.'),
  }),
  outputs,
  example: { activity: 'label_run', trajectory_id_path: 'init_params.trajectory_id', key: 'reviewed', value: 'yes' },
  gotchas: ['A value has at most 8 KiB, and a run a bounded number of labels (JETTY_MAX_LABELS_PER_RUN).'],
  run: async ({ trajectory_id, key, value, author }, context) => {
    const label = { trajectory_id, key, value: String(value), author: author ?? context.run.author }
    await context.labels.set(label)
    return label
  },
})
