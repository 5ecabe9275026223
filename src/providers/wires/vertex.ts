import { aiSdkWire } from './ai-sdk/wire.ts'
import { googleDialect, googlePackage } from './google.ts'

/** Vertex AI: Gemini's protocol at another address, with another kind of key, and vectors of its own. */
export const vertexWire = aiSdkWire(['chat', 'messages', 'embeddings', 'images'], {
  ...googleDialect,
  access: async (call) => (await import('./vertex-access.ts')).vertexAccess(call),
  async load(call, given) {
    const { vertexEmbeddings } = await import('./vertex-embeddings.ts')
    const google = await googlePackage(call.base_url, given, 'google.vertex.chat')
    return { ...google, embedding: (model) => vertexEmbeddings(call, model) }
  },
})
