// What OpenAI and Anthropic send, as scripts for a fake: the least that their own clients read whole.
import { completion, type Script } from '../fakes/openai.ts'

const eventHeaders = { 'content-type': 'text/event-stream' }

/** Server-sent events; OpenAI names none of them in a chat, Anthropic and `/responses` name each. */
const events = (data: unknown[], { named, end }: { named: boolean; end: string }): Script => ({
  headers: eventHeaders,
  body:
    data
      .map((one) => `${named ? `event: ${(one as { type: string }).type}\n` : ''}data: ${JSON.stringify(one)}\n\n`)
      .join('') + end,
})

const chunk = (delta: object, finish: string | null = null, more: object = {}) => ({
  id: 'chatcmpl-fake-1',
  object: 'chat.completion.chunk',
  created: 1_790_000_000,
  model: 'gpt-4o-mini-2026-01-01',
  choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  ...more,
})

const chatEvents = (chunks: unknown[]): Script => events(chunks, { named: false, end: 'data: [DONE]\n\n' })

const usage = { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 }

/** A text in as many chunks as it has words, and what was used after them. */
export const streamedChat = (text: string): Script =>
  chatEvents([
    chunk({ role: 'assistant', content: '', refusal: null }),
    ...text.split(/(?<= )/).map((content) => chunk({ content })),
    chunk({}, 'stop'),
    { ...chunk({}), choices: [], usage },
  ])

const call = (index: number, id: string, city: string) => ({
  index,
  id,
  type: 'function',
  function: { name: 'weather', arguments: JSON.stringify({ city }) },
})

/** Two calls of a tool, whole. */
export const toolCalls: Script = {
  body: {
    ...completion('gpt-4o-mini', ''),
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: null,
          refusal: null,
          tool_calls: [call(0, 'call_1', 'Rome'), call(1, 'call_2', 'Oslo')].map(({ index: _, ...rest }) => rest),
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ],
  },
}

/** Two calls of a tool in one delta, the arguments of the second one in two pieces. */
export const streamedToolCalls: Script = chatEvents([
  chunk({ role: 'assistant', content: null }),
  chunk({
    tool_calls: [
      call(0, 'call_1', 'Rome'),
      { ...call(1, 'call_2', 'Oslo'), function: { name: 'weather', arguments: '{"city":' } },
    ],
  }),
  chunk({ tool_calls: [{ index: 1, function: { arguments: '"Oslo"}' } }] }),
  chunk({}, 'tool_calls'),
])

export const saying = (content: string): Script => ({ body: completion('gpt-4o-mini', content) })

const vector = [0.25, -0.5, 1]

/** A vector as it was asked for: clients ask for base64 of 32-bit floats where nobody chose. */
export const embedding = (format: 'float' | 'base64'): Script => ({
  body: {
    object: 'list',
    data: [
      {
        object: 'embedding',
        index: 0,
        embedding: format === 'float' ? vector : Buffer.from(new Float32Array(vector).buffer).toString('base64'),
      },
    ],
    model: 'text-embedding-3-small',
    usage: { prompt_tokens: 4, total_tokens: 4 },
  },
})

/** The smallest PNG there is, with more behind its end than a record would keep in a text. */
export const png = Buffer.concat([
  Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  ),
  Buffer.alloc(8 * 1024, 'jetty'),
]).toString('base64')

export const image: Script = {
  body: {
    created: 1_790_000_000,
    data: [{ b64_json: png }],
    usage: { input_tokens: 10, output_tokens: 20, total_tokens: 30 },
  },
}

const responseOf = (status: string, output: unknown[]) => ({
  id: 'resp_fake_1',
  object: 'response',
  created_at: 1_790_000_000,
  status,
  error: null,
  incomplete_details: null,
  instructions: null,
  metadata: {},
  model: 'gpt-4o-mini-2026-01-01',
  output,
  parallel_tool_calls: true,
  temperature: 1,
  tool_choice: 'auto',
  tools: [],
  top_p: 1,
  usage: {
    input_tokens: 12,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 3,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 15,
  },
})

const message = (text: string) => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text, annotations: [] }],
})

export const response = (text: string): Script => ({ body: responseOf('completed', [message(text)]) })

export const streamedResponse = (text: string): Script => {
  const place = { item_id: 'msg_1', output_index: 0, content_index: 0 }
  const empty = { ...message(''), status: 'in_progress', content: [] }
  const steps = [
    { type: 'response.created', response: responseOf('in_progress', []) },
    { type: 'response.output_item.added', output_index: 0, item: empty },
    { type: 'response.content_part.added', ...place, part: { type: 'output_text', text: '', annotations: [] } },
    ...text.split(/(?<= )/).map((delta) => ({ type: 'response.output_text.delta', ...place, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...place, text, logprobs: [] },
    { type: 'response.output_item.done', output_index: 0, item: message(text) },
    { type: 'response.completed', response: responseOf('completed', [message(text)]) },
  ]
  return events(
    steps.map((step, sequence_number) => ({ ...step, sequence_number })),
    { named: true, end: '' },
  )
}

/** What OpenAI answers instead. */
export const failure = (status: number, code: string, text: string, headers: Record<string, string> = {}): Script => ({
  status,
  headers,
  body: { error: { message: text, type: 'invalid_request_error', param: null, code } },
})

type Block = { type: 'text'; text: string } | { type: 'tool_use'; id: string; name: string; input: object }

const claude = (content: Block[], stop: string | null, output = 3) => ({
  id: 'msg_fake_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-6',
  content,
  stop_reason: stop,
  stop_sequence: null,
  usage: { input_tokens: 12, output_tokens: output },
})

export const claudeSaying = (text: string): Script => ({ body: claude([{ type: 'text', text }], 'end_turn') })

const use = (city: string): Block => ({ type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city } })

export const claudeUsesTool: Script = { body: claude([use('Rome')], 'tool_use') }

const pieces = (text: string): string[] => text.match(/.{1,6}/gs) ?? []

const blockEvents = (block: Block, index: number): object[] => {
  const begun = block.type === 'text' ? { ...block, text: '' } : { ...block, input: {} }
  const deltas =
    block.type === 'text'
      ? pieces(block.text).map((text) => ({ type: 'text_delta', text }))
      : pieces(JSON.stringify(block.input)).map((partial_json) => ({ type: 'input_json_delta', partial_json }))
  return [
    { type: 'content_block_start', index, content_block: begun },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ]
}

/** A text and a use of a tool, piece by piece. */
export const streamedClaude = (text: string): Script =>
  events(
    [
      { type: 'message_start', message: claude([], null, 1) },
      { type: 'ping' },
      ...[{ type: 'text' as const, text }, use('Rome')].flatMap(blockEvents),
      {
        type: 'message_delta',
        delta: { stop_reason: 'tool_use', stop_sequence: null },
        usage: { output_tokens: 3 },
      },
      { type: 'message_stop' },
    ],
    { named: true, end: '' },
  )

/** What Anthropic answers instead. */
export const claudeFailure = (
  status: number,
  type: string,
  text: string,
  headers: Record<string, string> = {},
): Script => ({ status, headers, body: { type: 'error', error: { type, message: text }, request_id: 'req_fake' } })
