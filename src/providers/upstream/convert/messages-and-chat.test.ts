import { expect, test } from 'vitest'
import type { ChatChunk } from '../../../model/gateway/chat.ts'
import { chatFromMessages, messageEvents, messageFromChat, messagesRequestSchema } from './messages-and-chat.ts'

const put = (request: object) =>
  chatFromMessages(
    messagesRequestSchema.parse({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'x' }], ...request }),
  )

const tool = {
  name: 'look',
  description: 'Looks',
  input_schema: { type: 'object', properties: { at: { type: 'string' } } },
}

test('a request keeps its words, images, tools and their results', () => {
  const messages = [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is it?' },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'text', text: 'I look.' },
        { type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 'pier' } },
      ],
    },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'a gull' }] },
        { type: 'text', text: 'So?' },
      ],
    },
  ]
  expect(
    put({
      system: [{ type: 'text', text: 'Be brief.' }],
      messages,
      tools: [tool],
      tool_choice: { type: 'any' },
      stop_sequences: ['#'],
      temperature: 0,
    }),
  ).toEqual({
    model: 'm',
    max_tokens: 9,
    temperature: 0,
    stop: ['#'],
    tools: [{ type: 'function', function: { name: 'look', description: 'Looks', parameters: tool.input_schema } }],
    tool_choice: 'required',
    messages: [
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is it?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        ],
      },
      {
        role: 'assistant',
        content: 'I look.',
        tool_calls: [{ id: 'toolu_1', type: 'function', function: { name: 'look', arguments: '{"at":"pier"}' } }],
      },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'a gull' },
      { role: 'user', content: [{ type: 'text', text: 'So?' }] },
    ],
  })
})

test('a block that has no place in a chat is refused by its name', () => {
  const messages = [{ role: 'user', content: [{ type: 'document', source: {} }] }]
  expect(() => put({ messages })).toThrow("messages: a block of type 'document' cannot be sent to this provider")
})

test('an answer is a message: words, calls of tools, why it stopped, tokens', () => {
  const answer = messageFromChat(
    {
      id: 'c1',
      model: 'gpt',
      choices: [
        {
          message: {
            content: 'Hm.',
            tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":"pier"}' } }],
          },
          finish_reason: 'tool_calls',
        },
      ],
      usage: { prompt_tokens: 10, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 3 } },
    },
    'asked',
  )
  expect(answer).toEqual({
    id: 'msg_c1',
    type: 'message',
    role: 'assistant',
    model: 'gpt',
    content: [
      { type: 'text', text: 'Hm.' },
      { type: 'tool_use', id: 'call_1', name: 'look', input: { at: 'pier' } },
    ],
    stop_reason: 'tool_use',
    stop_sequence: null,
    usage: { input_tokens: 7, output_tokens: 4, cache_read_input_tokens: 3, cache_creation_input_tokens: 0 },
  })
})

const eventsFor = async (chunks: ChatChunk[]) => {
  const made = async function* () {
    yield* chunks
  }
  const events = []
  for await (const { data } of messageEvents(made(), 'asked')) events.push(JSON.parse(data ?? ''))
  return events
}

const delta = (of: Record<string, unknown>, finish: string | null = null): ChatChunk => ({
  id: 'c1',
  model: 'gpt',
  choices: [{ index: 0, delta: of, finish_reason: finish }],
})
const call = (index: number, part: object) => ({ index, ...part })

test('a stream opens, fills and closes its blocks; two calls in one event stay apart', async () => {
  const events = await eventsFor([
    delta({ role: 'assistant', content: 'Let me ' }),
    delta({ content: 'look.' }),
    delta({
      tool_calls: [
        call(0, { id: 'a', function: { name: 'look', arguments: '{"at":' } }),
        call(1, { id: 'b', function: { name: 'find', arguments: '{' } }),
      ],
    }),
    delta({ tool_calls: [call(0, { function: { arguments: '"pier"}' } }), call(1, { function: { arguments: '}' } })] }),
    delta({}, 'tool_calls'),
    { choices: [], usage: { prompt_tokens: 5, completion_tokens: 2 } },
  ])
  expect(events.map(({ type, index }) => (index === undefined ? type : `${type} ${index}`))).toEqual([
    'message_start',
    'content_block_start 0',
    'content_block_delta 0',
    'content_block_delta 0',
    'content_block_stop 0',
    'content_block_start 1',
    'content_block_delta 1',
    'content_block_start 2',
    'content_block_delta 2',
    'content_block_delta 1',
    'content_block_delta 2',
    'content_block_stop 1',
    'content_block_stop 2',
    'message_delta',
    'message_stop',
  ])
  expect(events.at(-2)).toMatchObject({
    delta: { stop_reason: 'tool_use' },
    usage: { input_tokens: 5, output_tokens: 2 },
  })
  const args = (index: number) =>
    events
      .filter((one) => one.index === index)
      .map((one) => one.delta?.partial_json ?? '')
      .join('')
  expect([args(1), args(2)]).toEqual(['{"at":"pier"}', '{}'])
})
