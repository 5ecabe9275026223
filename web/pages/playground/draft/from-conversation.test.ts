import { describe, expect, it } from 'vitest'
import { conversationOf } from '../../../parts/conversation/conversation.ts'
import { draftFrom } from './from-conversation.ts'

const recorded = (request: Record<string, unknown>) =>
  draftFrom(
    conversationOf(
      { activity: 'litellm_chat', key: 'completion', inputs: {}, outputs: { response: {} } },
      { messages: [], ...request },
    )!,
  )
const ofStep = (inputs: Record<string, unknown>, outputs: Record<string, unknown> = {}) =>
  draftFrom(conversationOf({ activity: 'litellm_vision', key: 'look', inputs, outputs }, {})!)

describe('a draft from a step', () => {
  it('has its prompt to be changed, its images and its parameters, and not its answer', () => {
    const step = { model: 'm', system_prompt: 'Be kind.', prompt: 'What?', image_path: 'acme/a.png', temperature: 0.2 }
    expect(ofStep(step, { text: 'A jetty.' })).toMatchObject({
      system: 'Be kind.',
      earlier: [],
      text: 'What?',
      pictures: [{ url: 'acme/a.png' }],
      fields: { temperature: '0.2', maxTokens: '' },
    })
  })

  it('keeps what was said before the last question', () => {
    const messages = [
      { role: 'system', content: 'One.' },
      { role: 'developer', content: 'Two.' },
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello' },
      { role: 'user', content: 'Go on' },
    ]
    const draft = recorded({ messages })
    expect([draft.system, draft.text, draft.earlier.map(({ role }) => role)]).toEqual([
      'One.\n\nTwo.',
      'Go on',
      ['user', 'assistant'],
    ])
  })

  it('has no question where a tool had the last word', () => {
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'tool', tool_call_id: 'a', content: '1' },
    ]
    expect(recorded({ messages })).toMatchObject({ text: '', earlier: [{ role: 'user' }, { role: 'tool' }] })
  })

  it.each([
    [{ max_completion_tokens: 5 }, { maxTokens: '5' }],
    [{ stop_sequences: ['A', 'B'] }, { stop: 'A\nB' }],
    [{ stop: 'A' }, { stop: 'A' }],
    [
      { top_p: 0.1, seed: 7 },
      { topP: '0.1', seed: '7' },
    ],
    [{ response_format: { type: 'json_object' } }, { format: 'json_object' }],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } } },
      { format: 'json_schema', schemaName: 'x', isStrict: false, schema: '{\n  "type": "object"\n}' },
    ],
    [
      { tools: [{ type: 'function' }], stream: true, user: 'me' },
      { more: '{\n  "tools": [\n    {\n      "type": "function"\n    }\n  ]\n}' },
    ],
  ])('takes %j as %j', (request, fields) => {
    expect(recorded(request).fields).toMatchObject(fields)
  })
})
