import { events, type FakeProvider, json, pieces, type Said, startFakeProvider, type WireAsked } from './wire-server.ts'

const usage = {
  billed_units: { input_tokens: 90, output_tokens: 20 },
  tokens: { input_tokens: 100, output_tokens: 20 },
}

const callsOf = ({ tools = [] }: Said) =>
  tools.map(({ id, name, input }) => ({ id, type: 'function', function: { name, arguments: JSON.stringify(input) } }))

const finishOf = ({ tools }: Said) => (tools?.length ? 'TOOL_CALL' : 'COMPLETE')

const whole = (said: Said) => ({
  id: 'cohere-answer-1',
  generation_id: 'cohere-answer-1',
  message: {
    role: 'assistant',
    content: [
      ...(said.thought === undefined ? [] : [{ type: 'thinking', thinking: said.thought }]),
      ...(said.text === undefined ? [] : [{ type: 'text', text: said.text }]),
    ],
    ...(said.tools?.length ? { tool_calls: callsOf(said) } : {}),
  },
  finish_reason: finishOf(said),
  usage,
})

const contentEvents = (index: number, kind: 'text' | 'thinking', text: string) => [
  { type: 'content-start', index, delta: { message: { content: { type: kind, [kind]: '' } } } },
  ...pieces(text).map((piece) => ({
    type: 'content-delta',
    index,
    delta: { message: { content: { [kind]: piece } } },
  })),
  { type: 'content-end', index },
]

const callEvents = (call: ReturnType<typeof callsOf>[number], index: number) => [
  {
    type: 'tool-call-start',
    index,
    delta: { message: { tool_calls: { ...call, function: { name: call.function.name, arguments: '' } } } },
  },
  ...pieces(call.function.arguments).map((part) => ({
    type: 'tool-call-delta',
    index,
    delta: { message: { tool_calls: { function: { arguments: part } } } },
  })),
  { type: 'tool-call-end', index },
]

const streamed = (said: Said) => {
  const list = [
    {
      type: 'message-start',
      id: 'cohere-answer-1',
      delta: { message: { role: 'assistant', content: [], tool_calls: [] } },
    },
    ...(said.thought === undefined ? [] : contentEvents(0, 'thinking', said.thought)),
    ...(said.text === undefined ? [] : contentEvents(1, 'text', said.text)),
    ...callsOf(said).flatMap(callEvents),
    { type: 'message-end', delta: { finish_reason: finishOf(said), usage } },
  ]
  return events(list.map((data) => ({ event: data.type, data })))
}

/** The last document first. */
const ranks = ({ body }: WireAsked) => ({
  id: 'ranks-1',
  results: body.documents
    .map((_: string, index: number) => ({ index, relevance_score: (index + 1) / body.documents.length }))
    .reverse()
    .slice(0, body.top_n ?? body.documents.length),
  meta: { api_version: { version: '2' }, billed_units: { search_units: 1 } },
})

const embeddings = ({ body }: WireAsked) => ({
  id: 'vectors-1',
  embeddings: { float: body.texts.map((text: string) => [text.length, 0.5, -0.25]) },
  texts: body.texts,
  meta: { billed_units: { input_tokens: 3 * body.texts.length } },
})

/** Cohere's API, version 2: chat, vectors and ranks. */
export const startFakeCohere = (): Promise<FakeProvider> =>
  startFakeProvider((asked, said) => {
    if (!asked.headers.authorization) return json({ message: 'no api key supplied' }, 401)
    if (asked.path === '/v2/embed') return json(embeddings(asked))
    if (asked.path === '/v2/rerank') return json(ranks(asked))
    if (asked.path !== '/v2/chat') return json({ message: `no ${asked.path} here` }, 404)
    return asked.body.stream ? streamed(said) : json(whole(said))
  })
