import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { makeSchemaChecker } from '../../lib/json-schema/schema-checker.ts'
import { schemaParameter } from '../../lib/json-schema/schema-parameter.ts'
import type { ChatMessage, ChatOptions, ChatRequest, ModelAnswer } from '../../model/gateway/chat.ts'
import { totalCost, totalUsage } from '../../model/gateway/model-totals.ts'
import { type ActivityContext, FailedWith, type Json } from '../activity.ts'
import { answerOutputsOf } from './ask.ts'
import { jsonAnswer } from './json-answer.ts'

type Schema = Record<string, unknown>

const mostComparisons = 500_000
const shownCharacters = 4_000
const shownIssues = 5

/** The parameter that makes the answer JSON of a known form. */
export const outputSchemaParameter = {
  output_schema: schemaParameter
    .optional()
    .describe(
      'JSON Schema that the answer has to fit. The answer is the output json, and its members are outputs. A model whose answer does not fit is asked once more; then the step fails.',
    )
    .meta({ aliases: ['outputSchema', 'json_schema', 'response_schema', 'structured_output'] }),
}

/** Outputs of a step with an `output_schema`, beside those of the answer. */
export const structuredOutputs = {
  json: z
    .unknown()
    .optional()
    .describe('With output_schema: the parsed answer. Its members are also outputs, unless an output has that name.'),
}

type Reading = { value: Json } | { problem: string }

const readAnswer = (text: string, schema: Schema): Reading => {
  if (isDeeperThan(text, maxJsonDepth)) return { problem: `it is nested deeper than ${maxJsonDepth} levels` }
  const value = jsonAnswer(text)
  if (value === undefined) return { problem: 'it is not JSON' }
  const issues = makeSchemaChecker(schema, mostComparisons).issues(value)
  if (issues === undefined) return { problem: 'it takes too long to compare with the schema' }
  if (issues.length === 0) return { value }
  const shown = issues.slice(0, shownIssues).map(({ path, message }) => `${path.join('.') || 'the answer'} ${message}`)
  return { problem: shown.join('; ') }
}

const cut = (text: string): string => (text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters)}…`)

const correction = (problem: string): ChatMessage => ({
  role: 'user',
  content: `That answer cannot be used: ${problem}. Answer again, with the corrected JSON value only.`,
})

/** The members of an answer as outputs, where no output has that name. */
export const memberOutputs = (json: Json, outputs: object): Record<string, Json> => {
  const members = typeof json === 'object' && json !== null && !Array.isArray(json) ? Object.entries(json) : []
  return Object.fromEntries(
    members.filter(([key]) => key !== 'json' && key !== '__proto__' && !Object.hasOwn(outputs, key)),
  )
}

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
  let reading = readAnswer(last().text, schema)
  if ('problem' in reading) {
    const { text } = last()
    context.warn(`the answer does not fit output_schema (${reading.problem}); the model was asked once more`, {
      raw_answer: cut(text),
    })
    const said: ChatMessage[] = text === '' ? [] : [{ role: 'assistant', content: text }]
    const messages = [...request.messages, ...said, correction(reading.problem)]
    answers.push(await context.models.chat({ ...request, messages }, asked))
    reading = readAnswer(last().text, schema)
  }
  const outputs = {
    ...(await answerOutputsOf(last(), context)),
    usage: totalUsage(answers.map(({ usage }) => usage)),
    cost_usd: totalCost(answers.map(({ cost_usd }) => cost_usd)),
  }
  if ('problem' in reading) return new FailedWith(failed(reading.problem, last()), { ...outputs, json: null })
  return { ...memberOutputs(reading.value, outputs), ...outputs, json: reading.value }
}
