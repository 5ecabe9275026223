import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ModelTurn, StepCall, ToolEnd } from '../../model/runs/step-call.ts'
import { callsIn, conversationMessages, recordedMessage } from './conversation.ts'

const turnOf = (turn: number, message: Record<string, unknown>): ModelTurn => ({
  type: 'model',
  turn,
  message: recordedMessage(message, turn).message,
  model: 'm',
  provider: 'p',
  finish_reason: 'stop',
  usage: null,
  cost_usd: null,
  duration_seconds: 0,
})
const endOf = (turn: number, id: string, content: string): ToolEnd => ({
  ...{ type: 'tool', turn, id, tool: 'look', status: 'completed', content, duration_seconds: 0 },
})
const call = (id: unknown, name: unknown, text: unknown) => ({ id, function: { name, arguments: text } })
const first = [{ role: 'user', content: 'Hi' }]
const corrected = {
  correction: () => ({ role: 'user', content: 'Again' }),
  lastCall: { role: 'user', content: 'Last' },
}

describe('a recorded message', () => {
  it.each([
    ['an id is missing', [call(undefined, 'look', '{}'), call('', 'look', '{}')], ['call_3_0', 'call_3_1']],
    ['an id comes twice', [call('a', 'look', '{}'), call('a', 'look', '{}')], ['a', 'call_3_1']],
    ['a call is no object', [null, 7], ['call_3_0', 'call_3_1']],
  ])('%s: each call has one of its own', (_, tool_calls, ids) => {
    expect(callsIn(turnOf(3, { tool_calls })).map(({ id }) => id)).toEqual(ids)
  })

  it('keeps 64 calls, and says how many are left out', () => {
    const tool_calls = Array.from({ length: 1000 }, (_, at) => call(`${at}`, 'look', '{}'))
    const { message, leftOut } = recordedMessage({ tool_calls }, 1)
    expect([(message.tool_calls as unknown[]).length, leftOut]).toEqual([64, 936])
  })

  it('has calls that every provider accepts, whatever a model wrote', () => {
    fc.assert(
      fc.property(fc.array(fc.anything()), fc.anything(), (tool_calls, content) => {
        const made = turnOf(1, { tool_calls, content })
        const calls = callsIn(made)
        expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length)
        const [, message] = conversationMessages(first, [made], corrected)
        for (const { function: called } of (message?.tool_calls ?? []) as { function: Record<string, string> }[]) {
          expect(called.name).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
          expect(JSON.parse(called.arguments ?? '')).toBeTypeOf('object')
        }
      }),
    )
  })
})

describe('a conversation', () => {
  it('has the results of a turn in the order of its calls, and asks again after an answer that was not the last', () => {
    const records: StepCall[] = [
      turnOf(1, { content: null, tool_calls: [call('a', 'look', '{}'), call('b', 'look', 'no json')] }),
      endOf(1, 'b', 'B'),
      endOf(1, 'a', 'A'),
      turnOf(2, { content: 'no json' }),
      turnOf(3, { content: '{}' }),
    ]
    const messages = conversationMessages(first, records, corrected)
    expect(messages.map(({ role, content }) => [role, content])).toEqual([
      ['user', 'Hi'],
      ['assistant', null],
      ['tool', 'A'],
      ['tool', 'B'],
      ['assistant', 'no json'],
      ['user', 'Again'],
      ['assistant', '{}'],
    ])
  })

  it('tells calls of different turns apart that have the same id', () => {
    const asks = { tool_calls: [call('same', 'look', '{}')] }
    const records = [turnOf(1, asks), endOf(1, 'same', 'first'), turnOf(2, asks), endOf(2, 'same', 'second')]
    const results = conversationMessages(first, records, corrected).filter(({ role }) => role === 'tool')
    expect(results.map(({ content }) => content)).toEqual(['first', 'second'])
  })
})
