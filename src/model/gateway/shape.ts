/** Kinds of gateway calls, each with its own body and answer. */
export const shapes = [
  'chat',
  'embeddings',
  'images',
  'responses',
  'messages',
  'message_tokens',
  'gemini',
  'gemini_tokens',
] as const

export type Shape = (typeof shapes)[number]

/** Calls that every provider with a chat can answer: their requests are converted to a chat, or counted here. */
const answeredByChats: readonly Shape[] = ['messages', 'message_tokens', 'gemini', 'gemini_tokens']

/** The shape that a provider must have to answer a call, if it has not the shape of the call itself. */
export const convertedTo = (shape: Shape): Shape => (answeredByChats.includes(shape) ? 'chat' : shape)

/** Counts of tokens, for which no provider makes a charge. */
export const isCount = (shape: Shape): boolean => shape === 'message_tokens' || shape === 'gemini_tokens'

/** Calls whose path names the model, in the way of Google. */
export const isGoogle = (shape: Shape): boolean => shape === 'gemini' || shape === 'gemini_tokens'
