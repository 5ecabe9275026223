import { AppError } from '../../lib/errors.ts'
import { memberOutputs, readStructured, type StructuredReading } from '../../lib/json-schema/structured-answer.ts'
import type { ChatMessage, ChatOptions, ChatRequest } from '../../model/gateway/chat.ts'
import { totalCost, totalUsage } from '../../model/gateway/model-totals.ts'
import type { ModelTurn, StepCall, ToolRequest } from '../../model/runs/step-call.ts'
import { type ActivityContext, FailedWith, type Json, WaitForRuns } from '../activity.ts'
import { callsIn, conversationMessages, endsIn, recordedMessage, toolCallKey, turnsIn } from './conversation.ts'
import { keepImages } from './keep-images.ts'
import { askAgain } from './structured-answer.ts'
import { reachedBound, spendingBound, type ToolBounds } from './tool-bounds.ts'

/** Tool calls of one turn that are carried out at the same time. */
const callsAtOnce = 4

interface Numbered {
  call: ToolRequest
  /** Number of the call in its step. */
  ordinal: number
}

/** The calls of a turn that have no result yet, each with its number. */
const openCalls = (turn: ModelTurn, records: readonly StepCall[]): Numbered[] => {
  const ends = endsIn(records)
  const before = turnsIn(records)
    .filter((one) => one.turn < turn.turn)
    .reduce((sum, one) => sum + callsIn(one).length, 0)
  return callsIn(turn)
    .map((call, at) => ({ call, ordinal: before + at }))
    .filter(({ call }) => !ends.has(toolCallKey(call)))
}

/**
 * Carries out the calls of a turn that have no result yet, a few at once. Calls above a limit are refused. Returns what to wait
 * for when one of them starts a run.
 */
const answerCalls = async (
  turn: ModelTurn,
  records: readonly StepCall[],
  { tools, bounds }: { tools: NonNullable<ActivityContext['tools']>; bounds: ToolBounds },
): Promise<WaitForRuns<never> | undefined> => {
  const open = openCalls(turn, records)
  // A turn that was told to answer has no successor that could see a result.
  const allowed = turn.is_last_call ? [] : open.filter(({ ordinal }) => ordinal < bounds.calls)
  const waits: WaitForRuns<never>[] = []
  const work = async (): Promise<void> => {
    for (let next = allowed.shift(); next; next = allowed.shift()) {
      const bound = spendingBound(records, bounds)
      if (bound) await tools.refuse(next.call, `Error: ${bound.message}.`)
      if (bound) continue
      const done = await tools.carryOut(next.call, next.ordinal)
      if (done instanceof WaitForRuns) waits.push(done)
    }
  }
  const workers = Array.from({ length: callsAtOnce }, work)
  // All end before the failure of one is passed on: none may write after that.
  const ended = await Promise.allSettled(workers)
  const failed = ended.find((one) => one.status === 'rejected')
  if (failed) throw failed.reason
  for (const { call, ordinal } of open) {
    if (ordinal >= bounds.calls) {
      await tools.refuse(call, `Error: the limit of ${bounds.calls} tool calls is used up. Answer with what you know.`)
    } else if (turn.is_last_call) await tools.refuse(call, 'Error: no more tools can be called.')
  }
  return waits[0]
}

interface AskedWithTools {
  request: ChatRequest
  /** The messages of the request as the outputs show them, where they differ: without the bytes of images. */
  shown?: ChatMessage[]
  options: ChatOptions
  /** JSON Schema that the final answer has to fit. */
  schema: Record<string, unknown> | undefined
  bounds: ToolBounds
}

/** A conversation under way. */
interface Talk extends AskedWithTools {
  tools: NonNullable<ActivityContext['tools']>
  context: ActivityContext
  /** Answers that were read, by turn. */
  readings: Map<number, StructuredReading>
}

const instruction = (schema: Record<string, unknown>): string =>
  `When you need no more tools, answer with one JSON value and nothing else: no other words and no code fence. It must fit this JSON Schema:\n${JSON.stringify(schema)}`

/** The schema is asked for in words: not every provider combines tools with a mode for JSON. */
const firstMessages = (messages: ChatMessage[], { schema }: AskedWithTools): ChatMessage[] => {
  if (!schema) return messages
  const [first, ...rest] = messages
  const text = instruction(schema)
  if (first?.role === 'system' && typeof first.content === 'string') {
    return [{ ...first, content: `${first.content}\n\n${text}` }, ...rest]
  }
  return [{ role: 'system', content: text }, ...messages]
}

const textOf = ({ content }: ChatMessage): string =>
  typeof content === 'string'
    ? content
    : (content ?? []).map((part) => (typeof part.text === 'string' ? part.text : '')).join('')

/** Reads the answers that have no tool calls, each once. */
const readAnswers = async ({ schema, readings }: Talk, records: readonly StepCall[]): Promise<void> => {
  if (!schema) return
  for (const turn of turnsIn(records)) {
    if (callsIn(turn).length > 0 || readings.has(turn.turn)) continue
    readings.set(turn.turn, await readStructured(textOf(turn.message), schema))
  }
}

/** Why the answer of a turn does not fit the schema; undefined if it does. */
const problemOf = ({ readings }: Talk, { turn }: ModelTurn): string | undefined => {
  const reading = readings.get(turn)
  return reading && 'problem' in reading ? reading.problem : undefined
}

/** In words: with `tool_choice` some providers leave out the tools, and with them all that was called before. */
const lastCall: ChatMessage = {
  role: 'user',
  content: 'No more tools can be called. Answer now with what you know.',
}

const messagesOf = (talk: Talk, records: readonly StepCall[], first = talk.request.messages): ChatMessage[] =>
  conversationMessages(firstMessages(first, talk), records, {
    correction: (turn) => askAgain(problemOf(talk, turn) ?? 'it is not complete'),
    lastCall,
  })

/** Asks the model once more, and records its answer. */
const askTurn = async (talk: Talk, records: readonly StepCall[]): Promise<void> => {
  const { request, options, bounds, tools, context } = talk
  const turn = turnsIn(records).length + 1
  const isOver = turn >= bounds.turns || endsIn(records).size >= bounds.calls
  const offered = await tools.offered()
  const begunMs = performance.now()
  const answer = await context.models.chat(
    {
      ...request,
      messages: [...messagesOf(talk, records), ...(isOver ? [lastCall] : [])],
      tools: offered.map((one) => ({ type: 'function', function: one })),
    },
    options,
  )
  for (const warning of answer.warnings ?? []) context.warn(warning)
  const { text, images } = await keepImages(answer, context)
  const [choice] = answer.completion.choices
  const { message, leftOut } = recordedMessage({ ...choice?.message, content: text === '' ? null : text }, turn)
  if (leftOut > 0) context.warn(`the model made ${leftOut} more tool calls in turn ${turn} than are carried out`)
  await tools.recordTurn({
    type: 'model',
    turn,
    message,
    ...(isOver && { is_last_call: true }),
    ...(images.length > 0 && { images }),
    model: answer.model,
    provider: answer.provider,
    finish_reason: choice?.finish_reason ?? null,
    usage: answer.usage,
    cost_usd: answer.cost_usd,
    duration_seconds: Number(((performance.now() - begunMs) / 1000).toFixed(3)),
  })
}

const parsedArguments = (text: string): Json => {
  try {
    return JSON.parse(text === '' ? '{}' : text)
  } catch {
    return text.slice(0, 1_000)
  }
}

const outputsOf = (talk: Talk, records: readonly StepCall[]) => {
  const turns = turnsIn(records)
  const ends = endsIn(records)
  const last = turns.at(-1)
  const text = last ? textOf(last.message) : ''
  const all = [...turns.map(({ usage }) => usage), ...[...ends.values()].map(({ usage }) => usage ?? null)]
  const paid = [...ends.values()].filter(({ usage }) => usage).map(({ cost_usd }) => cost_usd ?? null)
  return {
    text,
    content: text,
    ...(last?.images && { images: last.images }),
    model: last?.model ?? talk.request.model,
    provider: last?.provider ?? '',
    finish_reason: last?.finish_reason ?? null,
    usage: totalUsage(all),
    cost_usd: totalCost([...turns.map(({ cost_usd }) => cost_usd), ...paid]),
    turns: turns.length,
    tool_calls: turns.flatMap(callsIn).flatMap((call) => {
      const end = ends.get(toolCallKey(call))
      if (!end) return []
      const { status, cost_usd, duration_seconds, trajectory_id } = end
      return [
        {
          ...{ turn: call.turn, id: call.id, name: call.tool, arguments: parsedArguments(call.arguments), status },
          ...(cost_usd !== undefined && { cost_usd }),
          ...(trajectory_id !== undefined && { trajectory_id }),
          duration_seconds,
        },
      ]
    }),
    model_calls: turns.map(({ turn, model, provider, finish_reason, usage, cost_usd, duration_seconds }) => ({
      ...{ turn, model, provider, finish_reason, usage, cost_usd, duration_seconds },
    })),
    messages: messagesOf(talk, records, talk.shown),
  }
}

/** How the conversation ends with its last turn; undefined if the model is to be asked once more. */
const conclusionOf = (talk: Talk, records: readonly StepCall[], last: ModelTurn) => {
  const outputs = outputsOf(talk, records)
  const { schema } = talk
  if (!schema) return outputs
  const reading = talk.readings.get(last.turn)
  if (!reading) return undefined
  if ('value' in reading) return { ...memberOutputs(reading.value, outputs), ...outputs, json: reading.value }
  const answers = turnsIn(records).filter((turn) => callsIn(turn).length === 0)
  if (answers.length < 2) return undefined
  const message = `The answer of ${last.model} does not fit output_schema, in two attempts: ${reading.problem}`
  return new FailedWith(new AppError('activity_failed', message), { ...outputs, json: null })
}

/**
 * Lets a model call tools until it answers. Each answer and each tool call is recorded as it ends, and a repeated attempt goes
 * on after the last record. A failure keeps the conversation as outputs.
 */
export const askWithTools = async (asked: AskedWithTools, context: ActivityContext) => {
  const { tools } = context
  if (!tools) throw new AppError('internal', 'The step has no tools')
  const talk: Talk = { ...asked, tools, context, readings: new Map() }
  for (;;) {
    const records = await tools.records()
    const last = turnsIn(records).at(-1)
    const wait = last && (await answerCalls(last, records, { tools, bounds: asked.bounds }))
    if (wait instanceof WaitForRuns) return wait
    const now = await tools.records()
    await readAnswers(talk, now)
    if (last && callsIn(last).length === 0) {
      const conclusion = conclusionOf(talk, now, last)
      if (conclusion) return conclusion
    }
    const bound = reachedBound(now, asked.bounds)
    if (bound) return new FailedWith(bound, outputsOf(talk, now))
    await askTurn(talk, now)
  }
}
