import { z } from 'zod'
import { memberOutputs } from '../../lib/json-schema/structured-answer.ts'
import { modelUsageSchema } from '../../model/gateway/chat.ts'
import { totalCost, totalUsage } from '../../model/gateway/model-totals.ts'
import type { Judged } from './ask.ts'
import { promptVersion, schemaPromptVersion } from './prompt.ts'

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
export const judgeOutputs = z.looseObject({
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
export const judgementOutputsOf = (judged: Judged[], schema: object | undefined): z.infer<typeof judgeOutputs> => {
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
