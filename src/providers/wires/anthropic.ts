import type { JSONObject } from '@ai-sdk/provider'
import type { Dialect } from './ai-sdk/dialect.ts'
import { claudeCountsTokens, type Effort, isOff, tokensOf, wordOf } from './ai-sdk/effort.ts'
import { aiSdkWire } from './ai-sdk/wire.ts'

/** Anthropic's own clients take the base URL without the version, the package with it. */
const withVersion = (base: string): string => (/\/v\d+$/.test(base) ? base : `${base}/v1`)

const reasoning = (effort: Effort, model: string): JSONObject => {
  if (isOff(effort)) return { thinking: { type: 'disabled' } }
  if (claudeCountsTokens(model))
    return { thinking: { type: 'enabled', budgetTokens: Math.max(1024, tokensOf(effort)) } }
  const word = wordOf(effort)
  return { thinking: { type: 'adaptive', display: 'summarized' }, effort: word === 'minimal' ? 'low' : word }
}

export const anthropicDialect: Dialect = {
  namespace: 'anthropic',
  async load({ base_url }, given) {
    const { createAnthropic } = await import('@ai-sdk/anthropic')
    return { chat: createAnthropic({ ...given, baseURL: withVersion(base_url) }).languageModel }
  },
  reasoning,
  sends: ['parallel_tool_calls', 'user'],
  own: ({ parallel_tool_calls: parallel, user }) => ({
    ...(parallel === false ? { disableParallelToolUse: true } : {}),
    ...(typeof user === 'string' ? { metadata: { userId: user } } : {}),
  }),
  cacheMark: ({ ttl }) => ({ cacheControl: { type: 'ephemeral', ...(ttl === '1h' ? { ttl } : {}) } }),
  vectorDimensions: () => ({}),
  hasPlainTools: true,
}

export const anthropicWire = aiSdkWire(['chat', 'messages'], anthropicDialect)
