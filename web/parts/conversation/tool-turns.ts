import { isObject } from '../../../src/lib/json/json-object.ts'
import type { StepCall, ToolEnd } from '../../../src/model/runs/step-call.ts'
import { countText, usdText } from '../../text/numbers.ts'
import { durationText } from '../../text/times.ts'

type Members = Record<string, unknown>

/** What a message of a conversation with tools took, and whether it is a tool that failed. */
export interface MessageFacts {
  text: string
  failed: boolean
}

const membersIn = (value: unknown): Members[] => (Array.isArray(value) ? value.filter(isObject) : [])

const join = (facts: (string | undefined)[]): string => facts.filter((fact) => fact !== undefined).join(' · ')

const tookText = ({ cost_usd: cost, duration_seconds: seconds }: Members): (string | undefined)[] => [
  typeof cost === 'number' ? usdText(cost) : undefined,
  typeof seconds === 'number' ? durationText(seconds) : undefined,
]

const turnFacts = (call: Members): MessageFacts => {
  const { prompt_tokens: sent, completion_tokens: answered } = isObject(call.usage) ? call.usage : {}
  const tokens =
    typeof sent === 'number' && typeof answered === 'number'
      ? `${countText(sent)} in · ${countText(answered)} out`
      : undefined
  return { text: join([`turn ${call.turn}`, tokens, ...tookText(call)]), failed: false }
}

const statusText = (status: unknown): string | undefined => (status === 'completed' ? undefined : String(status))

const toolFacts = (call: Members): MessageFacts => ({
  text: join([String(call.name), statusText(call.status), ...tookText(call)]),
  failed: call.status !== 'completed',
})

/** Facts of each answer and each tool result, in the order of the conversation; `asked` messages came before. */
export const factsOfMessages = (outputs: Members, asked: number): (MessageFacts | undefined)[] => {
  const turns = membersIn(outputs.model_calls)
  const calls = membersIn(outputs.tool_calls)
  let turn = 0
  let call = 0
  return membersIn(outputs.messages).map(({ role }, at) => {
    if (at < asked) return undefined
    const facts = role === 'assistant' ? turns[turn++] : role === 'tool' ? calls[call++] : undefined
    return facts && (role === 'assistant' ? turnFacts(facts) : toolFacts(facts))
  })
}

interface WrittenCall {
  id: string
  function: { name: string; arguments: string }
}

const callsOfTurn = (message: Members): WrittenCall[] =>
  Array.isArray(message.tool_calls) ? (message.tool_calls as WrittenCall[]) : []

/** The records of a step as its outputs would have them, without the messages before the first answer. */
export const outputsSoFar = (records: readonly StepCall[]): Members => {
  const ends = new Map(
    records.filter((one): one is ToolEnd => one.type === 'tool').map((one) => [`${one.turn} ${one.id}`, one]),
  )
  const turns = records.filter((one) => one.type === 'model')
  const made = turns.flatMap(({ turn, message }) =>
    callsOfTurn(message).flatMap((call) => {
      const end = ends.get(`${turn} ${call.id}`)
      return end ? [{ ...end, name: call.function.name }] : []
    }),
  )
  return {
    messages: turns.flatMap(({ turn, message }) => [
      message,
      ...callsOfTurn(message).flatMap(({ id }) => {
        const end = ends.get(`${turn} ${id}`)
        return end ? [{ role: 'tool', tool_call_id: id, content: end.content }] : []
      }),
    ]),
    tool_calls: made,
    model_calls: turns,
  }
}
