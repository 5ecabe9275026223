import { Agent, type Dispatcher } from 'undici'
import type { Fetch } from '../../../src/lib/net/net.ts'
import { makeOpener } from '../../../src/lib/net/open.ts'
import type { ChatChunk, ChatRequest } from '../../../src/model/gateway/chat.ts'
import { makeModels } from '../../../src/providers/models/models.ts'
import type { CallLimits, Models } from '../../../src/providers/provider.ts'
import { startFakeAnthropic } from '../../fakes/anthropic.ts'
import { startFakeBedrock } from '../../fakes/bedrock.ts'
import { startFakeCohere } from '../../fakes/cohere.ts'
import { startFakeGemini } from '../../fakes/gemini.ts'
import type { FakeProvider } from '../../fakes/wire-server.ts'

export const key = 'sk-foreign-unmistakable-4711'

/** A provider that speaks another language than OpenAI's, and what tells it apart in a test. */
export interface Foreign {
  name: string
  model: string
  env: Record<string, string>
  start(): Promise<FakeProvider>
  /** The header that has the key. */
  keyHeader: string
  keyText: string
  host: string
}

export const foreign: Foreign[] = [
  {
    name: 'Anthropic',
    model: 'anthropic/claude-sonnet-4-5',
    env: { ANTHROPIC_API_KEY: key },
    start: startFakeAnthropic,
    keyHeader: 'x-api-key',
    keyText: key,
    host: 'https://api.anthropic.com',
  },
  {
    name: 'Vertex AI',
    model: 'vertex_ai/gemini-2.5-flash',
    env: { GOOGLE_VERTEX_API_KEY: key },
    start: startFakeGemini,
    keyHeader: 'x-goog-api-key',
    keyText: key,
    host: 'https://aiplatform.googleapis.com',
  },
  {
    name: 'Amazon Bedrock',
    model: 'bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0',
    env: { AWS_BEARER_TOKEN_BEDROCK: key, AWS_REGION: 'eu-central-1' },
    start: startFakeBedrock,
    keyHeader: 'authorization',
    keyText: `Bearer ${key}`,
    host: 'https://bedrock-runtime.eu-central-1.amazonaws.com',
  },
  {
    name: 'Cohere',
    model: 'cohere/command-a-reasoning-08-2025',
    env: { COHERE_API_KEY: key },
    start: startFakeCohere,
    keyHeader: 'authorization',
    keyText: `Bearer ${key}`,
    host: 'https://api.cohere.com',
  },
]

export interface World {
  models: Models
  /** Origins that would have been called. */
  origins: string[]
  /** What was fetched beside. */
  downloads: string[]
}

/** Models whose every call reaches the fake, wherever it was meant for. */
export const worldOf = (
  fake: { url: string },
  download: Fetch = () => Promise.reject(new Error('nothing is downloaded here')),
  limits: CallLimits = { tries: 3, firstByteSeconds: 60, idleSeconds: 60 },
  lentKeys: (name: string) => string | undefined = () => undefined,
): World => {
  const origins: string[] = []
  const downloads: string[] = []
  const agent: Dispatcher = new Agent().compose((dispatch) => (options, handler) => {
    origins.push(String(options.origin))
    return dispatch({ ...options, origin: fake.url }, handler)
  })
  const fetch: Fetch = (url, request) => {
    downloads.push(url)
    return download(url, request)
  }
  const models = makeModels({
    fetch,
    trustedFetch: fetch,
    agent: async () => agent,
    serverUrl: () => undefined,
    lentKeys,
    limits,
  })
  return { models, origins, downloads }
}

export const callerOf = (env: Record<string, string>, signal = new AbortController().signal) => ({
  env: (name: string) => env[name],
  signal,
})

/** A stream as its wire has it, without another try. */
export const streamOnce = async ({ models }: World, request: ChatRequest, env: Record<string, string>) => {
  const route = await models.route(request, callerOf(env), 'chat')
  const { chunks } = await (await route.provider.wire.load()).stream(request, {
    ...route,
    open: makeOpener(route.agent),
    download: () => Promise.reject(new Error('nothing is downloaded here')),
    limits: { tries: 3, firstByteSeconds: 60, idleSeconds: 60 },
    ...callerOf(env),
  })
  return all(chunks)
}

export const asking = (model: string, more: Partial<ChatRequest> = {}): ChatRequest => ({
  model,
  messages: [{ role: 'user', content: 'Good day' }],
  ...more,
})

export const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

interface Assembled {
  text: string
  thought: string
  signatures: string[]
  tools: { id: string; name: string; arguments: string }[]
  end: string | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: the deltas of a stream are what the test is about
type Delta = any

/** What a client makes of a stream. */
export const assembled = (chunks: ChatChunk[]): Assembled => {
  const whole: Assembled = { text: '', thought: '', signatures: [], tools: [], end: undefined }
  for (const { choices } of chunks) {
    const delta: Delta = choices[0]?.delta ?? {}
    whole.text += delta.content ?? ''
    whole.thought += delta.reasoning_content ?? ''
    for (const detail of delta.reasoning_details ?? []) whole.signatures.push(detail.signature)
    for (const call of delta.tool_calls ?? []) {
      whole.tools[call.index] ??= { id: '', name: '', arguments: '' }
      const one = whole.tools[call.index]!
      one.id += call.id ?? ''
      one.name += call.function?.name ?? ''
      one.arguments += call.function?.arguments ?? ''
    }
    whole.end ??= choices[0]?.finish_reason ?? undefined
  }
  return whole
}
