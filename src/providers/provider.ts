import type { Dispatcher } from 'undici'
import type { Fetch } from '../lib/net/net.ts'
import type { Open } from '../lib/net/open.ts'
import type {
  CallModel,
  ChatChunk,
  ChatCompletion,
  ChatRequest,
  ModelCaller,
  ModelUsage,
  StreamModel,
} from '../model/gateway/chat.ts'
import type { BatchAccount } from '../model/gateway/collected-call.ts'
import type { EmbeddingRequest, EmbedTexts } from '../model/gateway/embedding.ts'
import type { ImageRequest, MadeImage, MakeImages } from '../model/gateway/image.ts'
import type { CheckModel } from '../model/gateway/model-calls.ts'
import type { Predict, UploadInput } from '../model/gateway/prediction.ts'
import type { Shape } from '../model/gateway/shape.ts'
import type { BatchApi, BatchClient } from './batches/batch-api.ts'
import type { ModelCallKind } from './models/model-kinds.ts'

/** A protocol that providers speak. What depends on the protocol is answered by its own object, in its own file. */
export interface Wire {
  /** The shapes it can answer beside the provider's own paths. Messages are converted to a chat. */
  shapes: readonly Shape[]
  /** Loads the code that speaks it, with the first call that needs it. */
  load(): Promise<WireProtocol>
  /** This server answers by itself: without a key, a network or a cost. */
  isBuiltIn?: true
}

/** How the key is sent: `Authorization: Bearer <key>`, or a header of this name. */
export type KeyHeader = 'bearer' | 'api-key' | 'x-api-key' | 'x-goog-api-key'

/** A provider of model calls over HTTP, described by facts alone. */
export interface Provider {
  /** Clients write it before a model's name: `groq/llama-3.3-70b-versatile`. */
  id: string
  name: string
  /** Other spellings of the id. */
  aliases: readonly string[]
  /** May hold variables of the environment, `{AWS_REGION=us-east-1}`; one without a default must be set. */
  base_url: string
  /** The shapes that it answers itself, with their paths behind the base URL. */
  paths: Readonly<Partial<Record<Shape, string>>>
  /** Variables that may hold the key, in the order in which they are tried. */
  keys: readonly string[]
  auth: KeyHeader
  /** How the wire and calls of Google's protocol send the key, if that differs. */
  wire_auth?: KeyHeader
  /** Headers of every call. */
  headers?: Readonly<Record<string, string>>
  wire: Wire
  /** A variable whose value replaces `base_url`. */
  base_url_variable?: string
  /** Matches the names of its models, for clients that write no provider. */
  model_names?: RegExp
  /** Its prefix at OpenRouter, if OpenRouter serves its models too. */
  openrouter?: string
  /** Its id in the price list. */
  prices?: string
  /** Whether its chat accepts `response_format: {type: "json_object"}`, at least for most models. */
  json_mode?: true
  /** Whether its chat accepts `response_format: {type: "json_schema"}`, at least for most models. */
  schema_mode?: true
  /** Whether its answers state the cost in US dollars, in `usage.cost`. */
  states_cost?: boolean
  /** Whether it states the usage of every streamed chat, asked or not. */
  counts_streams?: true
  /** Its reranking calls `top_n` `top_k`, and `results` `data`. */
  ranks_like_voyage?: true
  /** Its batch interface, and the share of the usual price that a call costs there. */
  batches?: { api: BatchApi; price: number }
  /** Models that take `max_completion_tokens` instead of `max_tokens`. */
  renamed_max_tokens?: RegExp
  /** The source of these facts: a package with its version, or a page. */
  source: string
}

/** A model name that clients can use now, and the provider that would answer. */
export interface RoutableModel {
  id: string
  owned_by: string
  /** Its entry in the price list: the provider there, and the model's name. */
  listed?: { prices: string; model: string } | undefined
}

/** Details of a model: its calls by its name, the rest from the price list; null where the list does not have it. */
export interface ModelDetails {
  calls: ModelCallKind[]
  /** The member of a chat that limits the tokens of its answer. */
  max_tokens_parameter: 'max_tokens' | 'max_completion_tokens'
  context_tokens: number | null
  /** US dollars per million tokens; also null when the price is not proportional to the tokens. */
  usd_per_million: { input: number; output: number; cached_input: number } | null
}

/** The variables of an environment, by name. */
export type LookUpVariable = (name: string) => string | undefined

/** The part of a collection that decides which models it can call. */
export interface ModelScope {
  env: LookUpVariable
  /** Hosts that it may reach. Undefined: all. */
  allowedHosts?: readonly string[] | undefined
}

/** A model as a client writes it, and an explicit provider or key. */
export interface Asked {
  model: string
  provider?: string | undefined
  key?: string | undefined
}

/** The provider, model, address and key of a call. */
export interface Target {
  provider: Provider
  /** The model's name at the provider. */
  model: string
  /** Whether the provider answers this shape itself: `url` gets the client's body, only with another model name. */
  native: boolean
  /** The address of a native call; else the base URL. */
  url: string
  base_url: string
  /**
   * True if the operator set the URL for the whole server. It may then be a private address; calls to other URLs go
   * through the guarded client, which refuses those.
   */
  trusted: boolean
  /** The header with the key, and the headers of the provider's row. */
  headers: Readonly<Record<string, string>>
  key?: string
  /** The key belongs to the server. */
  lent?: true
}

/** The name under which a call is recorded. Names of built-in models include the provider. */
export const recordedModel = ({ provider, model }: Pick<Target, 'provider' | 'model'>): string =>
  provider.wire.isBuiltIn ? `${provider.id}/${model}` : model

/** A target with the only agent that may be used to reach it. */
export interface ModelRoute extends Target {
  agent: Dispatcher
}

/** The price of a call that another program made, by what it names; null if it is not known. */
export type ObservedPrices = (call: { provider: string | undefined; model: string }, usage: ModelUsage) => number | null

/** Every model call, whichever provider answers. */
export interface Models {
  call: CallModel
  stream: StreamModel
  embed: EmbedTexts
  image: MakeImages
  /** Resolves a model for a caller that sends the bytes itself. Throws `model_unavailable`. Sends nothing. */
  route(asked: Asked, caller: Pick<ModelCaller, 'env' | 'lent' | 'admit'>, shape: Shape): Promise<ModelRoute>
  /**
   * Resolves one provider, for a caller that sends requests in the provider's own API behind its base URL. No other
   * provider stands in. Without a model, `admit` is not called. Throws `model_unavailable`. Sends nothing.
   */
  account(
    asked: { provider: string; model?: string | undefined },
    caller: Pick<ModelCaller, 'env' | 'lent' | 'admit'>,
  ): Promise<ModelRoute>
  check: CheckModel
  /** The batch interface of an account, for batches of calls of one model; undefined if its provider has none any more. */
  batches(of: { account: BatchAccount; model: string }, signal: AbortSignal): BatchClient | undefined
  /** Runs a model that has inputs of its own. */
  predict: Predict
  uploadInput: UploadInput
  /** The model names that the keys of these environments reach, as far as they are known. Sends nothing. */
  routable(places: readonly ModelScope[]): Promise<RoutableModel[]>
  /** The same, after refreshing the lists of providers that are missing or stale: takes at most 2 s. */
  listed(places: readonly ModelScope[]): Promise<RoutableModel[]>
  /** Describes models, in the same order. Sends nothing. */
  describe(models: readonly RoutableModel[]): Promise<ModelDetails[]>
  /** The provider that would answer to a name, in any shape; undefined if none would. Sends nothing. */
  ownerOf(model: string, places: readonly ModelScope[]): RoutableModel | undefined
  /** Loads the public prices. Sends nothing. */
  prices(): Promise<ObservedPrices>
}

/** See the settings of the same names. */
export interface CallLimits {
  /** Attempts of a call while its failures are of a kind that passes. */
  tries: number
  firstByteSeconds: number
  idleSeconds: number
  /** Maximum bytes of an answer or a file, decompressed. */
  maxBytes?: number
  /** Maximum files that one call downloads. */
  mediaFiles?: number
}

/** A call that a wire sends to a provider. */
export interface WireCall extends Target {
  /** Sends a request to the provider. Only for its own address. */
  open: Open
  /** Downloads a URL from a request or an answer through the guarded network. Never sends a key. */
  download: Fetch
  env: LookUpVariable
  limits: CallLimits
  signal: AbortSignal
}

/** A sentence for each member of a request that the provider's protocol cannot carry. */
interface Warned {
  warnings: string[]
}

export interface Completed extends Warned {
  completion: ChatCompletion
}

/** `chunks` throws if the answer breaks off: if it ends by itself, the answer is complete. */
interface Streaming extends Warned {
  chunks: AsyncIterable<ChatChunk>
}

export interface Embedded extends Warned {
  embeddings: number[][]
  usage: ModelUsage | null
}

export interface Drawn extends Warned {
  images: MadeImage[]
  text: string
  usage: ModelUsage | null
  /** US dollars, if the provider states the cost. */
  stated_cost?: number
}

/**
 * Speaks the protocol of a provider and tries each call once. Throws `parameter_invalid` for a request that cannot be sent
 * and `upstream_failed` for anything but an answer; neither ever shows a key.
 */
export interface WireProtocol {
  complete(request: ChatRequest, call: WireCall): Promise<Completed>
  stream(request: ChatRequest, call: WireCall): Promise<Streaming>
  embed(request: EmbeddingRequest, call: WireCall): Promise<Embedded>
  draw(request: ImageRequest, call: WireCall): Promise<Drawn>
}
