import type { SharedV3ProviderOptions } from '@ai-sdk/provider'
import { isObject } from '../../../lib/json/json-object.ts'
import type { WireCall } from '../wire.ts'

/**
 * `cache_control` of a message or a part of one, in the words of the provider: what stands before it is kept there for
 * later calls. Where it cannot be asked for, caching is the provider's own affair.
 */
export const cacheMark = (
  of: Record<string, unknown>,
  { provider }: Pick<WireCall, 'provider'>,
): { providerOptions?: SharedV3ProviderOptions } => {
  const { cache_control: control } = of
  if (!isObject(control)) return {}
  if (provider.wire === 'bedrock') return { providerOptions: { bedrock: { cachePoint: { type: 'default' } } } }
  if (provider.wire !== 'anthropic') return {}
  const ttl = control.ttl === '1h' ? { ttl: '1h' } : {}
  return { providerOptions: { anthropic: { cacheControl: { type: 'ephemeral', ...ttl } } } }
}
