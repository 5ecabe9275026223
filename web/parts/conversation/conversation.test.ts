import { describe, expect, it } from 'vitest'
import { conversationOf, usedTokens } from './conversation.ts'

const text = (of: string) => ({ kind: 'text', text: of })
const asked = (inputs: Record<string, unknown>, outputs: Record<string, unknown> = {}, activity = 'litellm_chat') =>
  conversationOf({ activity, key: 'ask', inputs, outputs }, {})
const recorded = (request: Record<string, unknown>, response: unknown, outputs: Record<string, unknown> = {}) =>
  conversationOf(
    { activity: 'chat', key: 'completion', inputs: { model: 'm' }, outputs: { response, ...outputs } },
    request,
  )

describe('a conversation', () => {
  it('of a chat step has its prompt, answer, tokens and price', () => {
    const usage = { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46, cached_tokens: 3 }
    const outputs = { text: 'Hello.', content: 'Hello.', model: 'gpt-x', provider: 'openai', usage, cost_usd: 0.5 }
    expect(asked({ model: 'gpt', system_prompt: 'Be kind.', prompt: 'Hi', temperature: 0.2 }, outputs)).toMatchObject({
      model: 'gpt-x',
      provider: 'openai',
      asked: 2,
      messages: [
        { role: 'system', parts: [text('Be kind.')] },
        { role: 'user', parts: [text('Hi')] },
        { role: 'assistant', parts: [text('Hello.')] },
      ],
      tokens: { sent: 12, answered: 34, cached: 3 },
      costUsd: 0.5,
      knobs: [['temperature', 0.2]],
    })
  })

  it.each([
    ['a step of another kind', conversationOf({ activity: 'text_echo', key: 'a', inputs: {}, outputs: {} }, {})],
    [
      'a step called completion that is no call',
      conversationOf({ activity: 'x', key: 'completion', inputs: {}, outputs: {} }, {}),
    ],
  ])('%s has none', (_, none) => {
    expect(none).toBeUndefined()
  })

  it('marks tokens that nobody counted', () => {
    const usage = { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46, estimated: true }
    expect(asked({ prompt: 'Hi' }, { usage })?.tokens).toEqual({ sent: 12, answered: 34, isEstimated: true })
  })

  it('without an answer yet is the question alone', () => {
    expect(asked({ prompt: 'Hi' })).toMatchObject({ asked: 1, messages: [{ role: 'user' }], costUsd: undefined })
  })

  it('of a vision step shows the images before the prompt', () => {
    expect(
      asked({ prompt: 'What?', image_path: ['acme/t/0000/a.png'] }, {}, 'litellm_vision')?.messages[0]?.parts,
    ).toEqual([{ kind: 'image', source: 'acme/t/0000/a.png' }, text('What?')])
  })

  it('reads tool calls and their results in the shape of OpenAI', () => {
    const call = { id: 'c1', type: 'function', function: { name: 'find', arguments: '{"q":"tea"}' } }
    const messages = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Look' },
          { type: 'image_url', image_url: { url: 'acme/a.png' } },
        ],
      },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', content: '{"found":1}' },
    ]
    const response = { choices: [{ message: { role: 'assistant', content: 'One.', reasoning_content: 'Hm.' } }] }
    expect(recorded({ messages }, response)?.messages.map(({ parts }) => parts)).toEqual([
      [text('Look'), { kind: 'image', source: 'acme/a.png' }],
      [{ kind: 'call', id: 'c1', name: 'find', arguments: { q: 'tea' } }],
      [{ kind: 'result', id: 'c1', content: { found: 1 }, failed: false }],
      [{ kind: 'thought', text: 'Hm.' }, text('One.')],
    ])
  })

  it('reads the shape of Anthropic', () => {
    const messages = [
      { role: 'user', content: 'Look' },
      { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'find', input: { q: 1 } }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: 'none', is_error: true }] },
    ]
    const response = {
      content: [
        { type: 'thinking', thinking: 'Hm.' },
        { type: 'text', text: 'No.' },
      ],
    }
    expect(recorded({ system: 'S', messages }, response)).toMatchObject({
      asked: 4,
      messages: [
        { role: 'system' },
        { parts: [text('Look')] },
        { parts: [{ kind: 'call', name: 'find' }] },
        { parts: [{ kind: 'result', failed: true }] },
        { parts: [{ kind: 'thought', text: 'Hm.' }, text('No.')] },
      ],
    })
  })

  it('reads the shape of OpenAI responses', () => {
    const input = [
      { role: 'user', content: [{ type: 'input_text', text: 'Look' }] },
      { type: 'function_call', call_id: 'c', name: 'find', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: 'none' },
    ]
    const output = [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'No.' }] }]
    expect(
      recorded({ instructions: 'S', input }, { output })?.messages.map(({ role, parts }) => [role, parts[0]?.kind]),
    ).toEqual([
      ['system', 'text'],
      ['user', 'text'],
      ['assistant', 'call'],
      ['tool', 'result'],
      ['assistant', 'text'],
    ])
  })

  it('keeps what it does not know', () => {
    const messages = [{ role: 'user', content: [{ type: 'hologram', data: 1 }] }, 7, null]
    expect(recorded({ messages }, {}, { text: 'ok' })?.messages.map(({ parts }) => parts[0]?.kind)).toEqual([
      'other',
      'other',
      undefined,
      'text',
    ])
  })
})

it.each([
  [
    { prompt_tokens: 1, completion_tokens: 2 },
    { sent: 1, answered: 2 },
  ],
  [
    { input_tokens: 1, output_tokens: 2, reasoning_tokens: 5 },
    { sent: 1, answered: 2, reasoned: 5 },
  ],
  [null, undefined],
  [{}, undefined],
])('the tokens of %j are %j', (usage, tokens) => {
  expect(usedTokens(usage)).toEqual(tokens)
})
