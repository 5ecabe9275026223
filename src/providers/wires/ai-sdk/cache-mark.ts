import type { JSONObject, SharedV3ProviderOptions } from '@ai-sdk/provider'
import { isObject } from '../../../lib/json/json-object.ts'
import { optionsFor, type SdkCall } from './dialect.ts'

/**
 * Translates `cache_control` of a message or a part: the provider caches everything before it. Providers without such a
 * mark decide about caching themselves.
 */
export const cacheMark = (
  { cache_control: control }: Record<string, unknown>,
  { dialect }: Pick<SdkCall, 'dialect'>,
): { providerOptions?: SharedV3ProviderOptions } =>
  isObject(control) ? optionsFor(dialect, dialect.cacheMark?.(control as JSONObject)) : {}
