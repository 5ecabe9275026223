import { z } from 'zod'
import { atATime } from '../../lib/at-a-time.ts'
import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { schemaParameter } from '../../lib/json-schema/schema-parameter.ts'
import { memberOutputs } from '../../lib/json-schema/structured-answer.ts'
import { asText } from '../../lib/text/as-text.ts'
import { modelUsageSchema } from '../../model/gateway/chat.ts'
import { AwaitsBatch } from '../../model/gateway/collected-call.ts'
import { totalCost, totalUsage } from '../../model/gateway/model-totals.ts'
import { type ActivityContext, activity, type Json } from '../activity.ts'
import { askForVerdict, type JudgeCall, type Judged } from './ask.ts'
import { checkImageCount, isImage, shownItem } from './item.ts'
import { type Brief, promptVersion, schemaPromptVersion } from './prompt.ts'
import { comparesItems, questionOf } from './question.ts'
import { isStored } from './stored-text.ts'

const value = z.union([z.number(), z.string()])
const dimensions = z.record(z.string(), value).nullable()

const result = z.object({
  score: z.number().nullable(),
  label: z.string().nullable(),
  explanation: z.string().nullable(),
  raw_result: z.string(),
  item_index: z.number().int(),
  dimensions,
  read_as: z.enum(['json', 'repaired_json', 'text']),
  read_from: z.string(),
  json: z.unknown().optional(),
})

/** Outputs of `simple_judge`. */
const judgeOutputs = z.looseObject({
  results: z
    .array(result)
    .describe(
      'One entry for each verdict. raw_result is the unchanged answer of the model; read_as and read_from say how and from ' +
        'which words the verdict was read. item_index is 0 for a comparison. With output_schema, json is the parsed answer.',
    ),
  average_score: z.number().nullable().describe('Mean of the scores; null if there are only labels.'),
  score: z
    .number()
    .nullable()
    .describe('Score of a single verdict; null if there are several. The same holds for the next six outputs.'),
  rating: z.number().nullable().describe('The same value as score.'),
  label: z.string().nullable().describe('The category, or yes or no.'),
  judgment: z.string().nullable().describe('The label, or the score as text.'),
  explanation: z.string().nullable().describe("The model's explanation."),
  dimensions: dimensions.describe('Score or label by dimension, if dimensions were set.'),
  text: z.string().nullable().describe('The unchanged answer of the model.'),
  model: z.string().describe('The model that judged, as its provider names it.'),
  usage: modelUsageSchema.nullable().describe('Tokens of all calls together; null if the provider reports none.'),
  cost_usd: z.number().nullable().describe('Cost of all calls together; null if the price of one is not known.'),
  json: z
    .unknown()
    .optional()
    .describe(
      'With output_schema: the parsed answer of a single verdict. Its members are also outputs, unless an output has that name.',
    ),
  prompt_version: z.string().describe('Version of the prompt, and the beginning of the SHA-256 of its texts.'),
})

const mean = (scores: number[]): number | null =>
  scores.length === 0 ? null : Number((scores.reduce((sum, score) => sum + score, 0) / scores.length).toFixed(12))

/** Derives the outputs from the verdicts, in item order. */
const judgementOutputsOf = (judged: Judged[], schema: object | undefined): z.infer<typeof judgeOutputs> => {
  const results = judged.map(({ verdict, raw, json }, item_index) => ({
    score: verdict.score,
    label: verdict.label,
    explanation: verdict.explanation,
    raw_result: raw,
    item_index,
    dimensions: verdict.dimensions,
    read_as: verdict.read_as,
    read_from: verdict.read_from,
    ...(schema === undefined ? {} : { json }),
  }))
  const answers = judged.flatMap((one) => one.answers)
  const single = results.length === 1 ? results[0] : undefined
  const score = single?.score ?? null
  const outputs = {
    results,
    average_score: mean(results.map((one) => one.score).filter((one) => one !== null)),
    score,
    rating: score,
    label: single?.label ?? null,
    judgment: single?.label ?? (score === null ? null : String(score)),
    explanation: single?.explanation ?? null,
    dimensions: single?.dimensions ?? null,
    text: single?.raw_result ?? null,
    model: answers[0]?.model ?? '',
    usage: totalUsage(answers.map((one) => one.usage)),
    cost_usd: totalCost(answers.map((one) => one.cost_usd)),
    prompt_version: schema === undefined ? promptVersion : schemaPromptVersion,
  }
  if (schema === undefined) return outputs
  const json = single?.json ?? null
  return { ...memberOutputs(json, outputs), ...outputs, json }
}

const callsAtATime = 4

const range = z.union([z.tuple([z.number(), z.number()]), z.object({ min: z.number(), max: z.number() })])
const name = z.string().trim().min(1).max(100)

const isGiven = (value: Json): boolean => value !== undefined && value !== null

const declared = z.object({
  item: z
    .unknown()
    .optional()
    .describe(
      'The item to judge: a text, or the storage path of an image or a text file. Any other value is shown as JSON.',
    )
    .meta({ aliases: ['content'] }),
  items: z
    .unknown()
    .optional()
    .describe('A list of items to judge; any other value counts as one item. If item is set, items is ignored.'),
  instruction: z
    .string()
    .min(1)
    .describe('Instruction for the judge: the criteria of the verdict.')
    .meta({ aliases: ['criteria'], input: 'text' }),
  model: z.string().min(1).default('gpt-4o').describe('The model that judges; for images a vision model.'),
  model_provider: z.string().min(1).optional().describe('Provider of the model, if its name does not include it.'),
  judge_type: z
    .enum(['scale', 'categorical', 'binary'])
    .optional()
    .describe(
      'scale returns a score, categorical one of the labels, binary yes or no. Default: categorical if categories are set.',
    ),
  scale_range: range.optional().describe('Lowest and highest score: [min, max] or {min, max}; default: [1, 5].'),
  score_range: range
    .optional()
    .describe('The same as scale_range; with judge_type categorical its whole numbers are the labels.'),
  categories: z
    .array(z.union([z.string().trim().min(1).max(200), z.number()]))
    .min(1)
    .max(200)
    .optional()
    .describe('The labels to choose from.'),
  dimensions: z
    .union([z.array(name).min(1).max(20), z.record(name, z.string())])
    .optional()
    .describe('Names, or names with their meaning: each gets its own verdict, all in the same call.'),
  compare_items: z
    .boolean()
    .optional()
    .describe(
      'One verdict over all items together instead of one for each. Default: true if the categories name positions, such as first_better, or a tie.',
    ),
  with_explanation: z
    .boolean()
    .default(true)
    .describe('Whether the model explains its verdict.')
    .meta({ aliases: ['explanation_required'] }),
  output_schema: schemaParameter
    .optional()
    .describe(
      'JSON Schema that the answer has to fit, with score or label among its members. The answer is the output json, and its other members are outputs too.',
    )
    .meta({ input: 'json', language: 'json-schema' }),
  temperature: z.number().min(0).optional().describe("Sampling temperature; default: the provider's."),
  system_prompt: z.string().optional().describe('Replaces the system message of the judge.').meta({ input: 'text' }),
  max_tokens: z.number().int().min(1).optional().describe('Maximum number of tokens of an answer.'),
})
/** Also requires the instruction, so that both omissions are reported at once. */
const parameters = declared.refine(({ item, items, instruction }) => [item, items, instruction].some(isGiven), {
  message: "'item' or 'items' is also required",
  when: () => true,
})

type Parameters = z.output<typeof parameters>

const itemsOf = ({ item, items }: Parameters, context: ActivityContext): Json[] => {
  if (isGiven(item)) {
    if (isGiven(items)) context.warn("simple_judge: both item and items are set; 'item' is judged")
    return [item]
  }
  const list = Array.isArray(items) ? items : isGiven(items) ? [items] : undefined
  if (list && list.length > 0) return list
  const message = list
    ? "simple_judge: 'items' is an empty list"
    : "simple_judge needs the parameter 'item' or 'items' beside 'instruction'"
  throw new AppError('parameter_invalid', message, { hint: 'Set item, item_path, items or items_path.' })
}

const dimensionsOf = ({ dimensions }: Parameters): Brief['dimensions'] =>
  Array.isArray(dimensions)
    ? [...new Set(dimensions)].map((name) => ({ name, meaning: undefined }))
    : Object.entries(dimensions ?? {}).map(([name, meaning]) => ({ name, meaning }))

const judgeAll = async (given: Parameters, context: ActivityContext): Promise<Judged[]> => {
  const question = questionOf(given)
  if (given.categories && question.type !== 'categorical') {
    context.warn(`simple_judge: judge_type is '${question.type}', so categories are ignored`)
  }
  const items = itemsOf(given, context)
  const isJoint = items.length > 1 && (given.compare_items ?? comparesItems(question))
  if (isJoint) checkImageCount(items, context)
  const groups = isJoint ? [items] : items.map((item) => [item])
  const call: JudgeCall = {
    model: given.model,
    provider: given.model_provider,
    temperature: given.temperature,
    max_tokens: given.max_tokens,
  }
  let awaited: AwaitsBatch | undefined
  const judgeOne = async (group: Json[], index: number) => {
    const where = groups.length > 1 ? `simple_judge: item ${index}: ` : 'simple_judge: '
    const brief: Brief = {
      instruction: given.instruction,
      question,
      items: await Promise.all(group.map((item) => shownItem(item, context))),
      dimensions: dimensionsOf(given),
      withExplanation: given.with_explanation,
      systemPrompt: given.system_prompt,
      schema: given.output_schema,
    }
    const one = await askForVerdict(brief, call, context, where)
    for (const warning of one.verdict.warnings) context.warn(`${where}${warning}`)
    return one
  }
  // All of them go into one batch: what waits for it does not keep the others from being asked.
  const found = await atATime(callsAtATime, groups, (group, index) =>
    judgeOne(group, index).catch((error: unknown) => {
      if (!(error instanceof AwaitsBatch)) throw error
      awaited = error
      return undefined
    }),
  )
  if (awaited) throw awaited
  const judged = found.filter((one) => one !== undefined)
  // Identical for every call: reported once.
  const warnings = judged.flatMap(({ answers }) => answers.flatMap((answer) => answer.warnings ?? []))
  for (const warning of new Set(warnings)) context.warn(`simple_judge: ${warning}`)
  return judged
}

/** Asks a model to judge texts or images by an instruction. */
export const simpleJudge = activity({
  name: 'simple_judge',
  category: 'judge',
  lenient: true,
  asks: { kind: 'chat' },
  structuredOutput: 'json',
  description: 'Lets a model judge texts or images by an instruction, with a score, a label, or yes or no.',
  parameters,
  outputs: judgeOutputs,
  example: {
    activity: 'simple_judge',
    item_path: 'init_params.text',
    instruction: 'How clear is this text to somebody who is new to its subject?',
    model: 'gpt-4o',
    scale_range: [1, 5],
  },
  alsoCalled: ['judge', 'llm_judge', 'evaluate', 'evaluator', 'score', 'grade', 'rate'],
  gotchas: [
    'The parameters are item or items, and instruction. content and criteria are deprecated names of item and instruction.',
    'Several items get one verdict each. They are compared in one call if the categories name positions ' +
      '(first_better, model_b) or a tie, or if compare_items is true.',
    'With judge_type categorical score is null: score_range then defines labels such as "4", not numbers. For a number, ' +
      'use scale.',
    'An image is the storage path of a .webp, .png, .jpg, .jpeg or .gif of at most 20 MiB (JETTY_MAX_MODEL_FILE_BYTES), or a file object of a step; ' +
      'an http(s) URL with such an ending is passed to the provider unchanged. The image itself is not recorded.',
    'For any other stored file, or a list of files, the text is judged: pass a storage path or a file object of a step, such as ' +
      'run.outputs.results_files. A file that is not text fails the step.',
    'The model is asked in JSON mode (response_format) where its provider has one.',
    'The verdict is read from the first JSON object of the answer that contains one, with or without prose and code fences around ' +
      'it, else from the prose: the number named as the score, else the first number in range.',
    'A score out of range becomes the nearest end of the range, with a warning. A score in words, a number on another scale (8/10 ' +
      'for 1 to 5), and a label that is not a category are not accepted.',
    'After an answer without a verdict the model is asked once more. If that fails too, the step fails, and its error ' +
      'shows the answer.',
    'An instruction may ask for its own JSON format, if score or label is among its members; the rest is in raw_result. With ' +
      'output_schema the form is checked, and the rest are outputs.',
    'scripted/judge and scripted/judge-low are not real models and need no key: they give the best or the worst verdict, or ' +
      'the verdict in a line of the instruction, such as `scripted: 2 if "sorry"`.',
    'With dimensions the score is the overall score of the model, or, without one, the mean of the dimensions.',
  ],
  literal: ['score_range', 'scale_range', 'categories', 'output_schema'],
  pathsInArrays: ['items'],
  run: async (given, context) => judgementOutputsOf(await judgeAll(given, context), given.output_schema),
})

const reference = z.looseObject({ trajectory_id: z.string(), index: z.number().int().min(0), status: z.string() })

/** Selects the runs that can be judged. */
export const evaluationSubjects = activity({
  name: 'evaluation_subjects',
  category: 'judge',
  lenient: true, // for evaluations whose tasks an older version has made
  description: 'Selects the completed runs of a fan-out for judging, each with its expected result.',
  parameters: z.object({
    references: z.array(reference).describe('The runs, from the outputs of list_emit_await.'),
    expected: z.array(z.unknown()).optional().describe('The expected result of each run, by its index.'),
  }),
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

/** Value at the path in the run; without a path, the outputs of the last completed step. */
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
