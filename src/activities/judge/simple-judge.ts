import { z } from 'zod'
import { atATime } from '../../lib/at-a-time.ts'
import { AppError } from '../../lib/errors.ts'
import { type ActivityContext, activity, type Json } from '../activity.ts'
import { askForVerdict, type JudgeCall, type Judged } from './ask.ts'
import { checkImageCount, shownItem } from './item.ts'
import type { Brief } from './prompt.ts'
import { comparesItems, questionOf } from './question.ts'
import { judgeOutputs, outputsOf } from './results.ts'

const callsAtATime = 4

const range = z.union([z.tuple([z.number(), z.number()]), z.object({ min: z.number(), max: z.number() })])
const name = z.string().trim().min(1).max(100)

const isGiven = (value: Json): boolean => value !== undefined && value !== null

const declared = z.object({
  item: z
    .unknown()
    .optional()
    .describe(
      'What is judged: a text, an image or what stands in a file, by its storage path. Anything else is shown as JSON.',
    )
    .meta({ aliases: ['content'] }),
  items: z
    .unknown()
    .optional()
    .describe('A list of what is judged; anything but a list counts as one item. item wins over it.'),
  instruction: z
    .string()
    .min(1)
    .describe('What to judge by.')
    .meta({ aliases: ['criteria'] }),
  model: z.string().min(1).default('gpt-4o').describe('The model that judges; one that sees, if images are judged.'),
  model_provider: z.string().min(1).optional().describe('Who serves the model, where its name does not say so.'),
  judge_type: z
    .enum(['scale', 'categorical', 'binary'])
    .optional()
    .describe(
      'scale gives a score, categorical one of the labels, binary yes or no. categorical if categories are given.',
    ),
  scale_range: range.optional().describe('Lowest and highest score: [min, max] or {min, max}; [1, 5] where absent.'),
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
    .describe('Names, or names with their meaning: each gets a verdict of its own kind, all in the same call.'),
  compare_items: z
    .boolean()
    .optional()
    .describe(
      'One verdict over all items together instead of one for each. true where categories speak of places, such as first_better, or of a tie.',
    ),
  with_explanation: z
    .boolean()
    .default(true)
    .describe('Whether the model is asked for its reasons.')
    .meta({ aliases: ['explanation_required'] }),
  temperature: z.number().min(0).optional().describe("The provider's where absent."),
  system_prompt: z.string().optional().describe('Stands in the place of the system message.'),
  max_tokens: z.number().int().min(1).optional().describe('Most tokens of an answer.'),
})
/** Also requires the instruction, so that both omissions are reported at once. */
const parameters = declared.refine(({ item, items, instruction }) => [item, items, instruction].some(isGiven), {
  message: "'item' or 'items' is required as well",
  when: () => true,
})

type Parameters = z.output<typeof parameters>

const itemsOf = ({ item, items }: Parameters, context: ActivityContext): Json[] => {
  if (isGiven(item)) {
    if (isGiven(items)) context.warn("simple_judge: both item and items are given; 'item' is judged")
    return [item]
  }
  const list = Array.isArray(items) ? items : isGiven(items) ? [items] : undefined
  if (list && list.length > 0) return list
  const message = list
    ? "simple_judge: 'items' is an empty list"
    : "simple_judge needs 'item' or 'items', beside 'instruction'"
  throw new AppError('parameter_invalid', message, { hint: 'Give item, item_path, items or items_path.' })
}

const dimensionsOf = ({ dimensions }: Parameters): Brief['dimensions'] =>
  Array.isArray(dimensions)
    ? [...new Set(dimensions)].map((name) => ({ name, meaning: undefined }))
    : Object.entries(dimensions ?? {}).map(([name, meaning]) => ({ name, meaning }))

const judgeAll = async (given: Parameters, context: ActivityContext): Promise<Judged[]> => {
  const question = questionOf(given)
  if (given.categories && question.type !== 'categorical') {
    context.warn(`simple_judge: judge_type is '${question.type}', so categories are not used`)
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
  const judged = await atATime(callsAtATime, groups, async (group, index) => {
    const where = groups.length > 1 ? `simple_judge: item ${index}: ` : 'simple_judge: '
    const brief: Brief = {
      instruction: given.instruction,
      question,
      items: await Promise.all(group.map((item) => shownItem(item, context))),
      dimensions: dimensionsOf(given),
      withExplanation: given.with_explanation,
      systemPrompt: given.system_prompt,
    }
    const one = await askForVerdict(brief, call, context, where)
    for (const warning of one.verdict.warnings) context.warn(`${where}${warning}`)
    return one
  })
  // Identical for every call: reported once.
  const warnings = judged.flatMap(({ answers }) => answers.flatMap((answer) => answer.warnings ?? []))
  for (const warning of new Set(warnings)) context.warn(`simple_judge: ${warning}`)
  return judged
}

/** Asks a model to judge texts or images by an instruction. */
export const simpleJudge = activity({
  name: 'simple_judge',
  category: 'judge',
  asks: { kind: 'chat' },
  description: 'Lets a model judge texts or images by an instruction: by a score, a label, or yes and no.',
  parameters,
  outputs: judgeOutputs,
  example: {
    activity: 'simple_judge',
    item_path: 'init_params.text',
    instruction: 'How clear is this text to somebody who is new to its subject?',
    model: 'gpt-4o',
    scale_range: [1, 5],
  },
  gotchas: [
    'The parameters are item or items, and instruction. content and criteria are old names of item and instruction.',
    'Several items get one verdict each. They are compared in one call where categories speak of places ' +
      '(first_better, model_b) or of a tie, or where compare_items says so.',
    'With judge_type categorical score is null: score_range then gives labels such as "4", not numbers. For a number, ' +
      'use scale.',
    'An image is the storage path of a .webp, .png, .jpg, .jpeg or .gif of at most 20 MiB (JETTY_MAX_MODEL_FILE_BYTES), or a file object of a step; ' +
      'an http(s) URL that ends so is handed to the provider as it is. Nothing of the image is recorded.',
    'Of any other stored file, or a list of them, the text is judged: by its storage path, or a file object of a step, such as ' +
      'run.outputs.results_files. One that is no text fails.',
    'The verdict is read from the first JSON object of the answer that has one, with or without prose and fences around ' +
      'it, else from the prose: the number that is called the score, else the first one in range.',
    'A score out of range is drawn to the nearest end, with a warning. Score in words, a number on another scale (8/10 ' +
      'for 1 to 5), and a label that is not among the categories cannot be read.',
    'After an answer that cannot be read the model is asked once more. If that fails too, so does the step, and its error ' +
      'shows what the model said.',
    'An instruction may ask for a JSON format of its own, if score, or label, is among its members; the rest is in raw_result.',
    'scripted/judge and scripted/judge-low are no real models and need no key: they give the best or the worst verdict, or ' +
      'what a line of the instruction says, such as `scripted: 2 if "sorry"`.',
    'With dimensions the score is the one that the model gives for the whole; where it gives none, the mean of them.',
  ],
  literal: ['score_range', 'scale_range', 'categories'],
  pathsInArrays: ['items'],
  run: async (given, context) => outputsOf(await judgeAll(given, context)),
})
