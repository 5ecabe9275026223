import type { JSONObject, SharedV3ProviderOptions } from '@ai-sdk/provider'
import { isObject } from '../../../lib/json/json-object.ts'
import { optionsFor, type SdkCall } from './dialect.ts'

/**
 * Translates `cache_control` of a message or a part: the provider caches what stands before it. Where it cannot be asked
 * for, the provider decides about caching itself.
 */
export const cacheMark = (
  { cache_control: control }: Record<string, unknown>,
  { dialect }: Pick<SdkCall, 'dialect'>,
): { providerOptions?: SharedV3ProviderOptions } =>
  isObject(control) ? optionsFor(dialect, dialect.cacheMark?.(control as JSONObject)) : {}
