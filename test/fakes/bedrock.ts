import { crc32 } from 'node:zlib'
import { onePixel } from './gemini.ts'
import {
  type FakeProvider,
  json,
  pieces,
  type Said,
  startFakeProvider,
  type WireAsked,
  type WireReply,
} from './wire-server.ts'

const usage = { inputTokens: 70, outputTokens: 20, totalTokens: 120, cacheReadInputTokens: 30 }

const header = (name: string, value: string): Buffer => {
  const bytes = Buffer.alloc(1 + name.length + 3 + value.length)
  bytes.writeUInt8(name.length, 0)
  bytes.write(name, 1)
  bytes.writeUInt8(7, 1 + name.length) // a text follows
  bytes.writeUInt16BE(value.length, 2 + name.length)
  bytes.write(value, 4 + name.length)
  return bytes
}

const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** One message of AWS's event stream: lengths, headers and payload, with the two checksums that guard them. */
export const frame = (type: string, payload: unknown, kind: 'event' | 'exception' = 'event'): Buffer => {
  const headers = Buffer.concat([
    header(kind === 'event' ? ':event-type' : ':exception-type', type),
    header(':content-type', 'application/json'),
    header(':message-type', kind),
  ])
  const body = Buffer.from(JSON.stringify(payload))
  const prelude = Buffer.concat([number(headers.length + body.length + 16), number(headers.length)])
  const guarded = Buffer.concat([prelude, number(crc32(prelude)), headers, body])
  return Buffer.concat([guarded, number(crc32(guarded))])
}

const stopOf = ({ tools }: Said) => (tools?.length ? 'tool_use' : 'end_turn')

/** Where a schema is wanted, the package asks for the call of a tool named json. */
const asJsonTool = ({ body }: WireAsked, said: Said): Said => {
  const tools: { toolSpec?: { name: string } }[] = body.toolConfig?.tools ?? []
  if (said.text === undefined || !tools.some(({ toolSpec }) => toolSpec?.name === 'json')) return said
  return { tools: [{ id: 'json-1', name: 'json', input: JSON.parse(said.text) }] }
}

const blocksOf = ({ thought, text, tools = [] }: Said) => [
  ...(thought === undefined
    ? []
    : [{ reasoningContent: { reasoningText: { text: thought, signature: 'signed-by-bedrock' } } }]),
  ...(text === undefined ? [] : [{ text }]),
  ...tools.map(({ id, name, input }) => ({ toolUse: { toolUseId: id, name, input } })),
]

const whole = (said: Said) => ({
  output: { message: { role: 'assistant', content: blocksOf(said) } },
  stopReason: stopOf(said),
  usage,
  metrics: { latencyMs: 12 },
})

const blockEvents = ({ thought, text, tools = [] }: Said): [string, unknown][] => {
  const list: [string, unknown][] = []
  let contentBlockIndex = 0
  const block = (deltas: unknown[], start?: unknown) => {
    if (start) list.push(['contentBlockStart', { contentBlockIndex, start }])
    for (const delta of deltas) list.push(['contentBlockDelta', { contentBlockIndex, delta }])
    list.push(['contentBlockStop', { contentBlockIndex }])
    contentBlockIndex += 1
  }
  if (thought !== undefined) {
    block([
      ...pieces(thought).map((piece) => ({ reasoningContent: { text: piece } })),
      { reasoningContent: { signature: 'signed-by-bedrock' } },
    ])
  }
  if (text !== undefined) block(pieces(text).map((piece) => ({ text: piece })))
  for (const { id, name, input } of tools) {
    block(
      pieces(JSON.stringify(input)).map((part) => ({ toolUse: { input: part } })),
      { toolUse: { toolUseId: id, name } },
    )
  }
  return list
}

const streamed = (said: Said): WireReply => ({
  headers: { 'content-type': 'application/vnd.amazon.eventstream', 'x-amzn-requestid': 'bedrock-answer-1' },
  body: Buffer.concat(
    [
      ['messageStart', { role: 'assistant' }],
      ...blockEvents(said),
      ['messageStop', { stopReason: stopOf(said) }],
      ['metadata', { usage, metrics: { latencyMs: 12 } }],
    ].map(([type, payload]) => frame(String(type), payload)),
  ),
})

/** Amazon Bedrock's Converse, whole and as AWS's binary event stream, and the invocation of models that do not talk. */
export const startFakeBedrock = (): Promise<FakeProvider> =>
  startFakeProvider((asked, said) => {
    const [, model, method] = /^\/model\/([^/]+)\/([a-z-]+)$/.exec(asked.path) ?? []
    if (!asked.headers.authorization?.startsWith('Bearer '))
      return json({ message: 'Missing Authentication Token' }, 403)
    if (method === 'converse') return json(whole(asJsonTool(asked, said)))
    if (method === 'converse-stream') return streamed(asJsonTool(asked, said))
    if (method === 'invoke' && model?.includes('embed')) {
      return json({ embedding: [asked.body.inputText.length, 0.5, -0.25], inputTextTokenCount: 3 })
    }
    if (method === 'invoke' && model?.includes('canvas')) {
      return json({ images: Array.from({ length: asked.body.imageGenerationConfig.numberOfImages }, () => onePixel) })
    }
    return json({ message: `no ${asked.path} here` }, 404)
  })
