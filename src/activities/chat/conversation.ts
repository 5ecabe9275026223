import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import type { ChatMessage } from '../../model/gateway/chat.ts'
import type { ModelTurn, StepCall, ToolEnd, ToolRequest } from '../../model/runs/step-call.ts'

/** Tool calls of one turn that are carried out; further ones are left out. */
const mostCallsOfTurn = 64
const mostArgumentCharacters = 256 * 1024
const mostNameCharacters = 64

/** Members of a model's message that the next request repeats. */
const kept = ['role', 'content', 'refusal', 'reasoning', 'reasoning_content', 'reasoning_details']

/** One tool call in a message, in the format of OpenAI. */
interface WrittenCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

const plainName = (name: string): string =>
  name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, mostNameCharacters) || 'unnamed'

const argumentsOf = (written: unknown): string => {
  const text = typeof written === 'string' ? written : isObject(written) ? JSON.stringify(written) : ''
  return text.length <= mostArgumentCharacters ? text : text.slice(0, mostArgumentCharacters + 1)
}

const callOf = (written: unknown, at: number, turn: number, taken: Set<string>): WrittenCall => {
  const call = isObject(written) ? written : {}
  const called = isObject(call.function) ? call.function : {}
  const given = typeof call.id === 'string' && call.id !== '' && call.id.length <= 256 ? call.id : undefined
  const id = given !== undefined && !taken.has(given) ? given : `call_${turn}_${at}`
  taken.add(id)
  const name = typeof called.name === 'string' ? called.name : ''
  return {
    ...call,
    id,
    type: 'function',
    function: { name: plainName(name), arguments: argumentsOf(called.arguments) },
  }
}

/** A model's message as it is recorded and repeated: with tool calls that every provider accepts, and how many are left out. */
export const recordedMessage = (
  message: Record<string, unknown>,
  turn: number,
): { message: ChatMessage; leftOut: number } => {
  const made = Array.isArray(message.tool_calls) ? message.tool_calls : []
  const taken = new Set<string>()
  const calls = made.slice(0, mostCallsOfTurn).map((one, at) => callOf(one, at, turn, taken))
  const entries = kept.filter((name) => message[name] !== undefined).map((name) => [name, message[name]])
  return {
    message: {
      ...(Object.fromEntries(entries) as ChatMessage),
      role: 'assistant',
      ...(calls.length > 0 && { tool_calls: calls }),
    },
    leftOut: made.length - calls.length,
  }
}

const isTurn = (row: StepCall): row is ModelTurn => row.type === 'model'
const isEnd = (row: StepCall): row is ToolEnd => row.type === 'tool'

/** Every answer of the model, in order. */
export const turnsIn = (records: readonly StepCall[]): ModelTurn[] => records.filter(isTurn)

/** The tool calls that a turn asks for. */
export const callsIn = ({ turn, message }: ModelTurn): ToolRequest[] =>
  ((message.tool_calls ?? []) as WrittenCall[]).map(({ id, function: { name, arguments: text } }) => ({
    turn,
    id,
    tool: name,
    arguments: text,
  }))

/** Results of tool calls by turn and id. */
export const endsIn = (records: readonly StepCall[]): ReadonlyMap<string, ToolEnd> =>
  new Map(records.filter(isEnd).map((row) => [toolCallKey(row), row]))

/** Names a tool call within its step: providers may use an id again in a later turn. */
export const toolCallKey = ({ turn, id }: { turn: number; id: string }): string => `${turn} ${id}`

/** A message with arguments that are JSON objects: some providers accept no others, and a refused call needs none. */
const repeatable = (message: ChatMessage): ChatMessage => {
  const calls = message.tool_calls as WrittenCall[] | undefined
  if (!calls) return message
  return {
    ...message,
    tool_calls: calls.map((call) => {
      const isObjectText = parsedObject(call.function.arguments) !== undefined
      return isObjectText ? call : { ...call, function: { ...call.function, arguments: '{}' } }
    }),
  }
}

/** Messages that the server adds between the turns of a model. */
interface AddedMessages {
  /** Follows a turn without tool calls that was not the last one. */
  correction(turn: ModelTurn): ChatMessage
  /** Precedes a turn that may call no more tools. */
  lastCall: ChatMessage
}

/** The messages of the next request: the first ones, then each turn with the results of its tool calls. */
export const conversationMessages = (
  first: readonly ChatMessage[],
  records: readonly StepCall[],
  { correction, lastCall }: AddedMessages,
): ChatMessage[] => {
  const ends = endsIn(records)
  const turns = turnsIn(records)
  return [
    ...first,
    ...turns.flatMap((turn, at): ChatMessage[] => {
      const calls = callsIn(turn)
      const results = calls.map((call) => ({
        role: 'tool',
        tool_call_id: call.id,
        content: ends.get(toolCallKey(call))?.content ?? '',
      }))
      const corrected = calls.length === 0 && at < turns.length - 1 ? [correction(turn)] : []
      return [...(turn.is_last_call ? [lastCall] : []), repeatable(turn.message), ...results, ...corrected]
    }),
  ]
}
