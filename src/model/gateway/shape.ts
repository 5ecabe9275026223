/** Kinds of gateway calls, each with its own body and answer. */
export const shapes = [
  'chat',
  'completions',
  'embeddings',
  'images',
  'responses',
  'messages',
  'message_tokens',
  'gemini',
  'gemini_tokens',
  'moderations',
  'rerank',
  'speech',
  'transcriptions',
  'translations',
] as const

export type Shape = (typeof shapes)[number]

interface ShapeFacts {
  /** Its answers are words of a model. */
  hasWords?: true
  /** Its answers may be streamed. */
  streams?: true
  /** The tokens that are estimated where a provider counts none: those of the request, or of the answer as well. */
  estimated?: 'request' | 'both'
  /** No provider makes a charge for a call without a count. */
  isFree?: true
  /** Its request is a form with a file. */
  isForm?: true
  /** Every provider with a chat can answer it: its request is converted to a chat, or counted here. */
  byChat?: true
  /** A provider that has no such call has chats instead, which the client is told. */
  insteadChat?: true
}

const words = { hasWords: true, streams: true, estimated: 'both' } as const

export const shapeFacts: Readonly<Record<Shape, ShapeFacts>> = {
  chat: words,
  completions: { ...words, insteadChat: true },
  embeddings: { estimated: 'request' },
  images: { streams: true },
  responses: { ...words, insteadChat: true },
  messages: { ...words, byChat: true },
  message_tokens: { isFree: true, byChat: true },
  gemini: { ...words, byChat: true },
  gemini_tokens: { isFree: true, byChat: true },
  moderations: { isFree: true },
  rerank: {},
  speech: { streams: true },
  transcriptions: { hasWords: true, streams: true, isForm: true },
  translations: { hasWords: true, streams: true, isForm: true },
}

/** The shape that a provider must have to answer a call, if it has not the shape of the call itself. */
export const convertedTo = (shape: Shape): Shape => (shapeFacts[shape].byChat ? 'chat' : shape)

/** Counts of tokens before a call. */
export const isCount = (shape: Shape): boolean => shape === 'message_tokens' || shape === 'gemini_tokens'

/** Calls whose path names the model, in the way of Google. */
export const isGoogle = (shape: Shape): boolean => shape === 'gemini' || shape === 'gemini_tokens'
