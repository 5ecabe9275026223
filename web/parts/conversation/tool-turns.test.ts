import { describe, expect, it } from 'vitest'
import type { StepCall } from '../../../src/model/runs/step-call.ts'
import { conversationOf } from './conversation.ts'
import { outputsSoFar } from './tool-turns.ts'

const call = (id: string, name: string) => ({ id, type: 'function', function: { name, arguments: '{"city":"Bern"}' } })
const usage = { prompt_tokens: 1200, completion_tokens: 30, total_tokens: 1230 }
const turn = (n: number, message: object): StepCall => ({
  ...{ type: 'model', turn: n, model: 'm', provider: 'p', finish_reason: 'stop', usage, cost_usd: 0.002 },
  ...{ message: { role: 'assistant', ...message }, duration_seconds: 1.2 },
})
const end = (n: number, id: string, status: 'completed' | 'failed', content: string): StepCall => ({
  ...{ type: 'tool', turn: n, id, tool: 'weather', status, content, duration_seconds: 0.3 },
})
const records: StepCall[] = [
  turn(1, { content: null, tool_calls: [call('a', 'weather'), call('b', 'weather')] }),
  { type: 'tool_started', turn: 1, id: 'b', tool: 'weather' },
  end(1, 'b', 'failed', 'Error: away'),
  end(1, 'a', 'completed', '12 °C'),
]

describe('a conversation with tools', () => {
  it('has what each turn and each tool call took, and which failed', () => {
    const outputs = outputsSoFar([...records, turn(2, { content: 'Cool.' })])
    const told = conversationOf({ activity: 'litellm_chat', key: 'ask', inputs: {}, outputs }, {})
    expect(told?.messages.map(({ role, facts }) => [role, facts?.text, facts?.failed])).toEqual([
      ['assistant', 'turn 1 · 1.2k in · 30 out · $0.0020 · 1.20 s', false],
      ['tool', 'weather · 300 ms', false],
      ['tool', 'weather · failed · 300 ms', true],
      ['assistant', 'turn 2 · 1.2k in · 30 out · $0.0020 · 1.20 s', false],
    ])
    expect(told?.messages[2]?.parts).toEqual([{ kind: 'result', id: 'b', content: 'Error: away', failed: true }])
  })

  it('has calls without a result while they are carried out', () => {
    const outputs = outputsSoFar(records.slice(0, 3))
    const told = conversationOf({ activity: 'litellm_chat', key: 'ask', inputs: {}, outputs }, {})
    expect(told?.messages.map(({ role }) => role)).toEqual(['assistant', 'tool'])
    expect(told?.messages[0]?.parts.map(({ kind }) => kind)).toEqual(['call', 'call'])
  })
})
