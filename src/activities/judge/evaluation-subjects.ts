import { z } from 'zod'
import { activity } from '../activity.ts'

const reference = z.looseObject({ trajectory_id: z.string(), index: z.number().int().min(0), status: z.string() })

const parameters = z.object({
  references: z.array(reference).describe('The runs, as list_emit_await puts them out.'),
  expected: z.array(z.unknown()).optional().describe('What was expected of each of them, by its index.'),
})

/** Selects the runs that can be judged. */
export const evaluationSubjects = activity({
  name: 'evaluation_subjects',
  category: 'judge',
  description:
    'Of the runs that a fan-out has started those that completed, each with what was expected of it: these can be judged.',
  parameters,
  outputs: z.object({
    subjects: z
      .array(z.object({ trajectory_id: z.string(), index: z.number().int(), expected: z.unknown() }))
      .describe('expected is null where nothing was.'),
    skipped: z.number().int().describe('How many did not complete.'),
  }),
  example: {
    activity: 'evaluation_subjects',
    references_path: 'answers.outputs.trajectory_references',
    expected_path: 'init_params.expected',
  },
  gotchas: ['A run that failed or was cancelled is no subject: there is nothing of it to judge.'],
  pure: true,
  run: async ({ references, expected }) => {
    const completed = references.filter(({ status }) => status === 'completed')
    return {
      subjects: completed.map(({ trajectory_id, index }) => ({
        trajectory_id,
        index,
        expected: expected?.[index] ?? null,
      })),
      skipped: references.length - completed.length,
    }
  },
})
