import { z } from 'zod'
import { backoffMs } from '../../lib/backoff.ts'
import { AppError } from '../../lib/errors.ts'
import { schemaParameter } from '../../lib/json-schema/schema-parameter.ts'
import { memberOutputs, readStructured } from '../../lib/json-schema/structured-answer.ts'
import { pause } from '../../lib/time.ts'
import type { ChatMessage, ChatOptions, ChatRequest, ModelAnswer } from '../../model/gateway/chat.ts'
import { totalCost, totalUsage } from '../../model/gateway/model-totals.ts'
import { type ActivityContext, FailedWith } from '../activity.ts'
import { answerOutputsOf } from './ask.ts'

type Schema = Record<string, unknown>

const shownCharacters = 4_000

/** The parameter that makes the answer JSON of a known form. */
export const outputSchemaParameter = {
  output_schema: schemaParameter
    .optional()
    .describe(
      'JSON Schema that the answer has to fit. The answer is the output json, and its members are outputs. A model whose answer does not fit is asked once more; then the step fails.',
    )
    .meta({
      aliases: ['outputSchema', 'json_schema', 'response_schema', 'structured_output'],
      ...{ input: 'json', language: 'json-schema' },
    }),
}

/** Outputs of a step with an `output_schema`, beside those of the answer. */
export const structuredOutputs = {
  json: z
    .unknown()
    .optional()
    .describe('With output_schema: the parsed answer. Its members are also outputs, unless an output has that name.'),
}

const cut = (text: string): string => (text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters)}…`)

/** Asks for the answer once more. */
export const askAgain = (problem: string): ChatMessage => ({
  role: 'user',
  content: `That answer cannot be used: ${problem}. Answer again, with the corrected JSON value only.`,
})

const failed = (problem: string, { model, completion }: ModelAnswer): AppError => {
  const reason = completion.choices[0]?.finish_reason
  const ended = reason && reason !== 'stop' ? `; it ended with '${reason}'` : ''
  return new AppError(
    'activity_failed',
    `The answer of ${model} does not fit output_schema, in two attempts: ${problem}${ended}`,
    {
      hint:
        reason === 'length'
          ? 'Raise max_tokens.'
          : 'The output text has the answer. Simplify the schema, or use another model.',
    },
  )
}

const repairAttempts = 3
const repairBackoff = { firstMs: 1_000, factor: 4 }

/**
 * Asks for the corrected answer. A failure that may pass is tried again here: an attempt of the whole step would pay for
 * the first answer once more. Returns the last error if none is given.
 */
const repaired = async (ask: () => Promise<ModelAnswer>, context: ActivityContext): Promise<ModelAnswer | AppError> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof AppError) || context.signal.aborted) throw error
      if (!error.retryable || attempt === repairAttempts) return error
      const pauseMs = backoffMs(attempt, repairBackoff, error.retryAfterSeconds)
      if (pauseMs > context.step.timeLimitSeconds * 1000) return error
      context.warn(`The correction of the answer failed, and is asked for again: ${error.message}`)
      await pause(pauseMs, context.signal)
    }
  }
}

const unrepaired = (problem: string, cause: AppError): AppError =>
  new AppError(
    cause.code,
    `The answer does not fit output_schema (${problem}), and the model could not be asked to correct it: ${cause.message}`,
    { hint: 'The output text has the answer. Rerun from this step.', retryable: false, cause },
  )

/**
 * Asks for an answer that fits a schema, once more if it does not. Usage and cost are those of both calls. A failure
 * keeps the last answer as outputs.
 */
export const askStructured = async (
  { request, options, schema }: { request: ChatRequest; options: ChatOptions; schema: Schema },
  context: ActivityContext,
) => {
  const asked = { ...options, schema }
  const answers = [await context.models.chat(request, asked)]
  const last = () => answers.at(-1) as ModelAnswer
  const outputsOf = async () => ({
    ...(await answerOutputsOf(last(), context)),
    usage: totalUsage(answers.map(({ usage }) => usage)),
    cost_usd: totalCost(answers.map(({ cost_usd }) => cost_usd)),
  })
  let reading = await readStructured(last().text, schema)
  if ('problem' in reading) {
    const { text } = last()
    context.warn(`the answer does not fit output_schema (${reading.problem}); the model was asked once more`, {
      raw_answer: cut(text),
    })
    const said: ChatMessage[] = text === '' ? [] : [{ role: 'assistant', content: text }]
    const messages = [...request.messages, ...said, askAgain(reading.problem)]
    const next = await repaired(() => context.models.chat({ ...request, messages }, asked), context)
    if (next instanceof AppError) {
      return new FailedWith(unrepaired(reading.problem, next), { ...(await outputsOf()), json: null })
    }
    answers.push(next)
    reading = await readStructured(last().text, schema)
  }
  const outputs = await outputsOf()
  if ('problem' in reading) return new FailedWith(failed(reading.problem, last()), { ...outputs, json: null })
  return { ...memberOutputs(reading.value, outputs), ...outputs, json: reading.value }
}
