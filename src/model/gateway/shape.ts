/** The calls that a client can make of the gateway, each with a body and an answer of its own. */
export const shapes = ['chat', 'embeddings', 'images', 'responses', 'messages'] as const

export type Shape = (typeof shapes)[number]
