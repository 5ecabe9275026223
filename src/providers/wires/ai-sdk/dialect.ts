import type {
  EmbeddingModelV3,
  ImageModelV3,
  JSONObject,
  LanguageModelV3,
  SharedV3ProviderOptions,
} from '@ai-sdk/provider'
import type { ChatRequest } from '../../../model/gateway/chat.ts'
import type { WireCall } from '../../provider.ts'
import type { Effort } from './effort.ts'

/** The models of one provider, as its package offers them. A kind that it lacks is absent. */
export interface Package {
  chat(model: string): LanguageModelV3
  embedding?(model: string): EmbeddingModelV3
  image?(model: string): ImageModelV3
}

/** A member of a chat request that only some dialects can send. */
export type OwnOption = 'parallel_tool_calls' | 'user' | 'modalities'

/** How a package of the AI SDK differs from the others. */
export interface Dialect {
  /** Name under which the package reads its own options. */
  namespace: string
  /** The name of the model becomes part of the path. */
  hasNameInPath?: true
  /** Loads the package. Its `fetch` and its placeholder of a key must be the given ones. */
  load(call: WireCall, given: { apiKey: string; fetch: typeof fetch }): Promise<Package>
  /** Replaces the address and the key of the call. */
  access?(call: WireCall): Promise<WireCall>
  /** Options that set how much a model reasons. */
  reasoning(effort: Effort, model: string): JSONObject
  /** Members of a request that `own` sends; the others are reported as not sent. */
  sends: readonly OwnOption[]
  own?(request: ChatRequest): JSONObject
  /** Marks everything before it for the provider's prompt cache. */
  cacheMark?(control: JSONObject): JSONObject
  /** Sets the resolution at which an image is read. */
  imageDetail?(detail: string): JSONObject
  /** Member that holds encrypted reasoning. */
  encryptedMember?: 'redactedData' | 'redactedContent'
  vectorDimensions(dimensions: number): JSONObject
  /** Whether it takes the size of images in pixels instead of an aspect ratio. */
  hasImageSizes?: true
  /** Whether it accepts text beside tool calls, and files in tool results. */
  hasPlainTools?: true
}

/** Wraps options in the namespace of a dialect; returns no options if there are none. */
export const optionsFor = (
  { namespace }: Dialect,
  options: JSONObject | undefined,
): { providerOptions?: SharedV3ProviderOptions } =>
  options === undefined ? {} : { providerOptions: { [namespace]: options } }

/** A call with the dialect that it is made in. */
export interface SdkCall extends WireCall {
  dialect: Dialect
}
