import { AppError } from '../../lib/errors.ts'
import { readStructured } from '../../lib/json-schema/structured-answer.ts'
import type { ChatMessage, ChatOptions, ModelAnswer } from '../../model/gateway/chat.ts'
import type { ActivityContext, StepModels } from '../activity.ts'
import { type Brief, correction, promptFor } from './prompt.ts'
import { readVerdict } from './read-verdict.ts'
import type { ParsedVerdict, Verdict } from './verdict.ts'

/** A model call without its messages. */
export interface JudgeCall {
  model: string
  provider: string | undefined
  temperature: number | undefined
  max_tokens: number | undefined
}

/** A verdict, the model's text it was read from, and all answers on the way. */
export interface Judged {
  verdict: Verdict
  raw: string
  /** The parsed answer, if it had to fit a schema. */
  json?: unknown
  answers: ModelAnswer[]
}

/** Dependencies of asking, provided by a step and by the verification of a runbook. */
interface JudgeContext {
  models: Pick<StepModels, 'chat'>
  warn: ActivityContext['warn']
}

const shownCharacters = 4000

const shown = (raw: string): string =>
  raw.length <= shownCharacters ? raw : `${raw.slice(0, shownCharacters)}… (${raw.length} characters in all)`

const chat = (
  call: JudgeCall,
  messages: ChatMessage[],
  context: JudgeContext,
  options: Pick<ChatOptions, 'prefersJson' | 'schema'> = {},
): Promise<ModelAnswer> =>
  context.models.chat(
    {
      model: call.model,
      messages,
      ...(call.temperature === undefined ? {} : { temperature: call.temperature }),
      ...(call.max_tokens === undefined ? {} : { max_tokens: call.max_tokens }),
    },
    { provider: call.provider, ...options },
  )

const unreadable = (problem: string, { text, model, completion }: ModelAnswer, where: string): AppError => {
  const reason = completion.choices[0]?.finish_reason
  const ended = reason && reason !== 'stop' ? `; it ended with '${reason}'` : ''
  const message = `${where}the answer of ${model} has no verdict, in two attempts: ${problem}${ended}. It said: ${shown(text)}`
  const hint =
    reason === 'length'
      ? 'Raise max_tokens.'
      : 'Change the instruction so that it asks only for a verdict, or use another model.'
  return new AppError('activity_failed', message, { hint })
}

/**
 * Asks for one verdict; an unreadable answer gets one retry, then fails with an error that shows it. `where` begins the
 * messages.
 */
export const askForVerdict = async (
  brief: Brief,
  call: JudgeCall,
  context: JudgeContext,
  where: string,
): Promise<Judged> => {
  const messages = promptFor(brief)
  const options = brief.schema === undefined ? {} : { schema: brief.schema }
  const first = await chat(call, messages, context, { prefersJson: true, ...options })
  const reading = await readAnswer(first.text, brief)
  if ('verdict' in reading) return { ...reading, raw: first.text, answers: [first] }

  context.warn(`${where}an answer could not be parsed (${reading.problem}); the model was asked once more`, {
    raw_result: shown(first.text),
  })
  // Not in JSON mode: a model that cannot keep to it may answer with nothing (DeepSeek sends spaces).
  const said: ChatMessage[] = first.text === '' ? [] : [{ role: 'assistant', content: first.text }]
  const second = await chat(call, [...messages, ...said, correction(brief, reading.problem)], context, options)
  const again = await readAnswer(second.text, brief)
  if ('problem' in again) throw unreadable(again.problem, second, where)
  return { ...again, raw: second.text, answers: [first, second] }
}

/** Reads the verdict of an answer; with a schema, only of one that fits it. */
const readAnswer = async (
  text: string,
  { question, dimensions, schema }: Brief,
): Promise<ParsedVerdict & { json?: unknown }> => {
  const structured = schema === undefined ? undefined : await readStructured(text, schema)
  if (structured && 'problem' in structured) return structured
  const names = dimensions.map(({ name }) => name)
  return { ...readVerdict(text, question, names), ...(structured ? { json: structured.value } : {}) }
}
