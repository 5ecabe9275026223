import { z } from 'zod'
import { activity } from '../activity.ts'

/** Returns outputs that are written in the workflow, in place of a step that is not to be executed. */
export const pinnedOutputs = activity({
  name: 'pinned_outputs',
  category: 'data',
  description: 'Returns the given outputs. Put it in place of a step to try the steps after it without executing it.',
  parameters: z.object({
    outputs: z
      .record(z.string(), z.unknown())
      .describe('The outputs, exactly as they are written: paths are not followed.'),
  }),
  outputs: z.looseObject({}).describe('The same members.'),
  example: { activity: 'pinned_outputs', outputs: { text: 'A summary from an earlier run' } },
  literal: ['outputs'],
  pure: true,
  gotchas: ['Steps that refer to its inputs find only `outputs`.'],
  run: async ({ outputs }) => outputs,
})
