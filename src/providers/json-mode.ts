import { makeLru } from '../lib/memory/lru.ts'
import type { ChatRequest } from '../model/gateway/chat.ts'
import type { Target } from './provider.ts'
import { refusesMode } from './upstream/errors.ts'

const mostRemembered = 1000
const rememberedMs = 3_600_000

/**
 * Makes the function that asks in JSON mode where the provider has one. If the model refuses the mode, it is asked
 * again without it, and for an hour nobody asks it in JSON mode.
 */
export const makeJsonMode = () => {
  const refused = makeLru<string, true>(mostRemembered, { ttl: rememberedMs })
  return async <Answer>(
    request: ChatRequest,
    { provider, base_url, model }: Pick<Target, 'provider' | 'base_url' | 'model'>,
    ask: (request: ChatRequest) => Promise<Answer>,
  ): Promise<Answer> => {
    const name = `${base_url} ${model}`
    if (!provider.json_mode || request.response_format || refused.has(name)) return ask(request)
    try {
      return await ask({ ...request, response_format: { type: 'json_object' } })
    } catch (error) {
      if (!refusesMode(error)) throw error
      const answer = await ask(request)
      refused.set(name, true)
      return answer
    }
  }
}
