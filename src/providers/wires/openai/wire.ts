import type { Wire } from '../../provider.ts'

/** OpenAI's API, for the shapes that a provider has a path for. */
export const openAiWire: Wire = {
  shapes: [],
  load: async () => (await import('./protocol.ts')).openAiProtocol,
}
