import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { asText } from '../../lib/text/as-text.ts'
import { type ActivityContext, activity, type Json } from '../activity.ts'
import { isImage } from './item.ts'
import { isStored } from './stored-text.ts'

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

const materialParameters = z.object({
  trajectory_id: z.string().min(1).describe('Trajectory id of the run to judge.'),
  read: z
    .string()
    .min(1)
    .optional()
    .describe('Path to the value to judge, such as `answer.outputs.text`; default: the outputs of its last step.'),
  instruction: z.string().min(1).describe('Instruction for the judge: the criteria of the verdict.'),
  expected: z.unknown().optional().describe('The expected result.'),
})

const isGiven = (value: Json): boolean => value !== undefined && value !== null

/**
 * Selects the part of the outputs that a judge reads: the text if there is one, and for a runbook its declared files.
 */
const judgedValue = (value: Json, collection: string): Json => {
  if (!isObject(value)) return value
  const { primary_files: made } = value
  if (isStored(made, collection) && Array.isArray(made)) {
    return made.length === 1 || made.some((file: Json) => isImage(file, collection)) ? made[0] : made
  }
  return typeof value.text === 'string' && value.text !== '' ? value.text : value
}

const section = (heading: string, value: Json): string[] => (isGiven(value) ? [`${heading}:\n${asText(value)}`] : [])

const nothing = (reason: string): AppError =>
  new AppError('reference_missing', `There is nothing to judge: ${reason}`, {
    hint: 'Set output_path to the value of the run that is to be judged.',
  })

/** Value at the path in the run, or the outputs of the last step that has any. */
const judgedPart = async (run: string, path: string | undefined, { runs }: ActivityContext): Promise<Json> => {
  if (path === undefined) {
    const last = (await runs.steps(run, 'last')).findLast(({ status }) => status === 'completed')
    if (last?.outputs) return last.outputs
    throw nothing(`run ${run} has no completed step`)
  }
  const [values] = await runs.read({ trajectory_ids: [run], paths: [path] })
  const reading = values?.[0]
  if (reading?.found) return reading.value
  throw nothing(reading?.reason ?? `there is no run ${run}`)
}

/** Collects what a judge sees of a run: its output, its inputs, and the expected result. */
export const judgeMaterial = activity({
  name: 'judge_material',
  category: 'judge',
  lenient: true, // for evaluations whose tasks an older version has made
  description: 'Reads the output of a run, and builds the item and instruction for simple_judge.',
  parameters: materialParameters,
  outputs: z.object({
    item: z.unknown().describe('Input, expected result and output as one text; for a file only the file.'),
    instruction: z.string().describe('The instruction, with a description of the parts of the item.'),
  }),
  example: {
    activity: 'judge_material',
    trajectory_id_path: 'init_params.trajectory_id',
    read: 'answer.outputs.text',
    instruction: 'Is the answer friendly?',
  },
  gotchas: [
    'The run must belong to the same collection.',
    'If the path points at an object with a text, that text is judged; for a runbook, its primary_files. Any other value ' +
      'is shown as JSON.',
  ],
  run: async ({ trajectory_id, read, instruction, expected }, context) => {
    const { collection } = context.run
    const output = judgedValue(await judgedPart(trajectory_id, read, context), collection)
    const [[input] = []] = await context.runs.read({ trajectory_ids: [trajectory_id], paths: ['init_params'] })
    const given = [...section('Input', input?.found ? input.value : null), ...section('Expected', expected)]
    if (isImage(output, collection) || isStored(output, collection)) {
      return { item: output, instruction: [instruction, ...given].join('\n\n') }
    }
    const parts = isGiven(expected) ? 'its input, what was expected of it, and its output' : 'its input and its output'
    return {
      item: [...given, `Output:\n${asText(output)}`].join('\n\n'),
      instruction: `${instruction}\n\nThe item is a run of a task: ${parts}. Judge the output.`,
    }
  },
})
