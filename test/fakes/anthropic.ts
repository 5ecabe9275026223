import { events, type FakeProvider, json, pieces, type Said, startFakeProvider, type WireAsked } from './wire-server.ts'

const usage = { input_tokens: 70, cache_creation_input_tokens: 0, cache_read_input_tokens: 30, output_tokens: 20 }

const blocksOf = ({ thought, text, tools = [] }: Said) => [
  ...(thought === undefined ? [] : [{ type: 'thinking', thinking: thought, signature: 'signed-by-anthropic' }]),
  ...(text === undefined ? [] : [{ type: 'text', text }]),
  ...tools.map((tool) => ({ type: 'tool_use', ...tool })),
]

const stopOf = ({ tools }: Said) => (tools?.length ? 'tool_use' : 'end_turn')

const whole = ({ body }: WireAsked, said: Said) => ({
  id: 'msg_01fake',
  type: 'message',
  role: 'assistant',
  model: body.model,
  content: blocksOf(said),
  stop_reason: stopOf(said),
  stop_sequence: null,
  usage,
})

type Block = Record<string, unknown>
const emptied = (block: Block): Block => {
  if (block.type === 'thinking') return { type: 'thinking', thinking: '', signature: '' }
  return block.type === 'text' ? { type: 'text', text: '' } : { ...block, input: {} }
}

const deltasOf = (block: Block): Block[] => {
  if (block.type === 'text') return pieces(String(block.text)).map((text) => ({ type: 'text_delta', text }))
  if (block.type === 'tool_use') {
    return pieces(JSON.stringify(block.input)).map((part) => ({ type: 'input_json_delta', partial_json: part }))
  }
  return [
    ...pieces(String(block.thinking)).map((thinking) => ({ type: 'thinking_delta', thinking })),
    { type: 'signature_delta', signature: block.signature },
  ]
}

const streamed = (asked: WireAsked, said: Said) => {
  const message = { ...whole(asked, said), content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } }
  const list: Block[] = [
    { type: 'message_start', message },
    { type: 'ping' },
    ...blocksOf(said).flatMap((block, index) => [
      { type: 'content_block_start', index, content_block: emptied(block) },
      ...deltasOf(block).map((delta) => ({ type: 'content_block_delta', index, delta })),
      { type: 'content_block_stop', index },
    ]),
    { type: 'message_delta', delta: { stop_reason: stopOf(said), stop_sequence: null }, usage: { output_tokens: 20 } },
    { type: 'message_stop' },
  ]
  return events(list.map((data) => ({ event: String(data.type), data })))
}

/** Anthropic's messages, whole and as events. */
export const startFakeAnthropic = (): Promise<FakeProvider> =>
  startFakeProvider((asked, said) => {
    const fault = (type: string, message: string, status: number) =>
      json({ type: 'error', error: { type, message } }, status)
    if (!asked.path.startsWith('/v1/messages')) return fault('not_found_error', `no ${asked.path} here`, 404)
    if (!asked.headers['x-api-key']) return fault('authentication_error', 'x-api-key header is required', 401)
    if (!asked.headers['anthropic-version']) return fault('invalid_request_error', 'anthropic-version is required', 400)
    return asked.body.stream ? streamed(asked, said) : json(whole(asked, said))
  })
