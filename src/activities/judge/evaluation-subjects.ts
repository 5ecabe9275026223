import { z } from 'zod'
import { activity } from '../activity.ts'

const reference = z.looseObject({ trajectory_id: z.string(), index: z.number().int().min(0), status: z.string() })

const parameters = z.object({
  references: z.array(reference).describe('The runs, from the outputs of list_emit_await.'),
  expected: z.array(z.unknown()).optional().describe('The expected result of each run, by its index.'),
})

/** Selects the runs that can be judged. */
export const evaluationSubjects = activity({
  name: 'evaluation_subjects',
  category: 'judge',
  lenient: true, // for evaluations whose tasks an older version has made
  description: 'Selects the completed runs of a fan-out for judging, each with its expected result.',
  parameters,
  outputs: z.object({
    subjects: z
      .array(z.object({ trajectory_id: z.string(), index: z.number().int(), expected: z.unknown() }))
      .describe('The completed runs; expected is null if a run has no expected result.'),
    skipped: z.number().int().describe('Number of runs that did not complete.'),
  }),
  example: {
    activity: 'evaluation_subjects',
    references_path: 'answers.outputs.trajectory_references',
    expected_path: 'init_params.expected',
  },
  gotchas: ['A failed or cancelled run is left out: it has no result to judge.'],
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
