/** Kinds of gateway calls, each with its own body and answer. */
export const shapes = ['chat', 'embeddings', 'images', 'responses', 'messages'] as const

export type Shape = (typeof shapes)[number]
