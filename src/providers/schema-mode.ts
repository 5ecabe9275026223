import { createHash } from 'node:crypto'
import { makeLru } from '../lib/memory/lru.ts'
import type { ChatMessage, ChatRequest } from '../model/gateway/chat.ts'
import type { makeJsonMode } from './json-mode.ts'
import type { Target } from './provider.ts'
import { refusesMode } from './upstream/errors.ts'

type Schema = Readonly<Record<string, unknown>>

const mostRemembered = 1_000
const rememberedMs = 3_600_000

/** Asks in words: the schema is part of the first system message. */
const instructed = (request: ChatRequest, schema: Schema): ChatRequest => {
  const text = `Answer with one JSON value and nothing else: no other words and no code fence. It must fit this JSON Schema:\n${JSON.stringify(schema)}`
  const [first, ...rest] = request.messages
  const isSystem = first?.role === 'system' && typeof first.content === 'string'
  const system: ChatMessage = { role: 'system', content: isSystem ? `${first.content}\n\n${text}` : text }
  return { ...request, messages: isSystem ? [system, ...rest] : [system, ...request.messages] }
}

const inFormat = (request: ChatRequest, schema: Schema): ChatRequest => ({
  ...request,
  response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } },
})

const hashOf = (schema: Schema): string => createHash('sha256').update(JSON.stringify(schema)).digest('base64')

/**
 * Makes the function that asks for JSON that fits a schema: in the provider's own mode where it has one, otherwise in
 * words and in its JSON mode. If a model refuses a schema, it is asked in words, for an hour at once.
 */
export const makeSchemaMode = (inJsonMode: ReturnType<typeof makeJsonMode>) => {
  const refused = makeLru<string, true>(mostRemembered, { ttl: rememberedMs })
  return async <Answer>(
    { request, schema }: { request: ChatRequest; schema: Schema },
    target: Pick<Target, 'provider' | 'base_url' | 'model'>,
    ask: (request: ChatRequest) => Promise<Answer>,
  ): Promise<Answer> => {
    const inWords = () => {
      const asked = instructed(request, schema)
      return schema.type === 'object' ? inJsonMode(asked, target, ask) : ask(asked)
    }
    const name = `${target.base_url} ${target.model} ${hashOf(schema)}`
    if (!target.provider.schema_mode || refused.has(name)) return inWords()
    try {
      return await ask(inFormat(request, schema))
    } catch (error) {
      if (!refusesMode(error)) throw error
      const answer = await inWords()
      refused.set(name, true)
      return answer
    }
  }
}
