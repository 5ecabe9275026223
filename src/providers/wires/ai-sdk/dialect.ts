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

/** What a package of the AI SDK has to be told, or cannot do, for one wire. */
export interface Dialect {
  /** Where the package looks for options of its own. */
  namespace: string
  /** The name of the model becomes part of the path. */
  hasNameInPath?: true
  /** Loads the package. Its `fetch` and its placeholder of a key must be the given ones. */
  load(call: WireCall, given: { apiKey: string; fetch: typeof fetch }): Promise<Package>
  /** The address and the key, where they are not those of the call. */
  access?(call: WireCall): Promise<WireCall>
  /** Options that tell a model how much to reason. */
  reasoning(effort: Effort, model: string): JSONObject
  /** Members of a request that `own` sends; the others are reported as not sent. */
  sends: readonly OwnOption[]
  own?(request: ChatRequest): JSONObject
  /** Marks what stands before it for the provider's prompt cache. */
  cacheMark?(control: JSONObject): JSONObject
  /** How closely an image is looked at. */
  imageDetail?(detail: string): JSONObject
  /** Where it keeps reasoning that only its maker can read. */
  encryptedMember?: 'redactedData' | 'redactedContent'
  vectorDimensions(dimensions: number): JSONObject
  /** Its images are asked for by size in pixels, not by aspect ratio. */
  hasImageSizes?: true
  /** It accepts text beside calls of tools, and files in their results. */
  hasPlainTools?: true
}

/** Options under the namespace of a dialect; none where there is nothing to say. */
export const optionsFor = (
  { namespace }: Dialect,
  options: JSONObject | undefined,
): { providerOptions?: SharedV3ProviderOptions } =>
  options === undefined ? {} : { providerOptions: { [namespace]: options } }

/** A call with the dialect that it is made in. */
export interface SdkCall extends WireCall {
  dialect: Dialect
}
