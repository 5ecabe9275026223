import { z } from 'zod'
import { activity } from '../activity.ts'

const name = z.string().min(1).max(200)

const outputs = z.object({
  trajectory_id: z.string().describe('Trajectory id of the labelled run.'),
  key: z.string().describe('Name of the label.'),
  value: z.string().describe('Value of the label, as text.'),
  author: z.string().describe('Author of the label.'),
})

/** Sets a label of a run; repeating it has no further effect. */
export const labelRun = activity({
  name: 'label_run',
  category: 'data',
  description: 'Sets a label of a run of the same collection; it replaces a label with the same key and author.',
  parameters: z.object({
    trajectory_id: z.string().min(1).describe('Trajectory id of the run.'),
    key: name.describe('Name of the label.'),
    value: z.union([z.string(), z.number(), z.boolean()]).describe('Value of the label; stored as text.'),
    author: name.optional().describe('Author of the label; default: the author of this run.'),
  }),
  outputs,
  example: { activity: 'label_run', trajectory_id_path: 'init_params.trajectory_id', key: 'reviewed', value: 'yes' },
  gotchas: ['A value has at most 8 KiB, and a run has at most JETTY_MAX_LABELS_PER_RUN labels.'],
  run: async ({ trajectory_id, key, value, author }, context) => {
    const label = { trajectory_id, key, value: String(value), author: author ?? context.run.author }
    await context.labels.set(label)
    return label
  },
})
