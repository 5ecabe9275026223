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
import type { EmbeddingRequest, EmbedTexts } from '../model/gateway/embedding.ts'
import type { ImageRequest, MadeImage, MakeImages } from '../model/gateway/image.ts'
import type { CheckModel } from '../model/gateway/model-calls.ts'
import type { Predict, UploadInput } from '../model/gateway/prediction.ts'
import type { Shape } from '../model/gateway/shape.ts'

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

/** Somebody who answers model calls over HTTP, told by facts alone. */
export interface Provider {
  /** What clients put before a model's name: `groq/llama-3.3-70b-versatile`. */
  id: string
  name: string
  /** Other spellings of the id. */
  aliases: readonly string[]
  /** May have places for variables of the environment: `{AWS_REGION=us-east-1}`; without a default they must be set. */
  base_url: string
  /** What it answers in the shape that a client asks in, and where that stands behind the base URL. */
  paths: Readonly<Partial<Record<Shape, string>>>
  /** Variables that may hold the key, in the order they are looked at. */
  keys: readonly string[]
  auth: KeyHeader
  /** How it is sent where the wire is used, if that is another way. */
  wire_auth?: KeyHeader
  /** Headers that every call has. */
  headers?: Readonly<Record<string, string>>
  wire: Wire
  /** A variable that puts another base URL in the place of `base_url`. */
  base_url_variable?: string
  /** How the names of its models begin, for clients that write no provider. */
  model_names?: RegExp
  /** What OpenRouter calls it, where that serves its models as well. */
  openrouter?: string
  /** What the price list calls it. */
  prices?: string
  /** It says in `usage.cost` of an answer what the call cost in US dollars. */
  states_cost?: boolean
  /** Models that take `max_completion_tokens` in the place of `max_tokens`. */
  renamed_max_tokens?: RegExp
  /** Where these facts were read: a package with its version, or a page. */
  source: string
}

/** A name that clients may write now, and who would answer. */
export interface RoutableModel {
  id: string
  owned_by: string
}

/** The variables of an environment, by name. */
export type LookUpVariable = (name: string) => string | undefined

/** A collection as models are listed for it. */
export interface Place {
  env: LookUpVariable
  /** The hosts that it may reach; undefined: all. */
  allowedHosts?: readonly string[] | undefined
}

/** A model as a client writes it, and what overrides the provider and the key that follow from it. */
export interface Asked {
  model: string
  provider?: string | undefined
  key?: string | undefined
}

/** Who a call goes to, and how. */
export interface Target {
  provider: Provider
  /** As the provider calls it. */
  model: string
  /** The provider answers this shape itself: what the client sent can go to `url` as it is, but for the model's name. */
  native: boolean
  /** Where the call goes; where it is not native, the base URL. */
  url: string
  base_url: string
  /** The URL was set for the whole server: it may be private. Any other one goes through the guard. */
  trusted: boolean
  /** The key, and what else the provider wants in every call. */
  headers: Readonly<Record<string, string>>
  key?: string
  /** The key is one of the server's. */
  lent?: true
}

/** The name that a call is recorded with: that of a built-in model says what it is. */
export const recordedModel = ({ provider, model }: Pick<Target, 'provider' | 'model'>): string =>
  provider.wire.isBuiltIn ? `${provider.id}/${model}` : model

/** A target with the way there. Nothing else may be used to reach it. */
export interface Route extends Target {
  agent: Dispatcher
}

/** Everybody who answers model calls, behind one call. */
export interface Models {
  call: CallModel
  stream: StreamModel
  embed: EmbedTexts
  image: MakeImages
  /** Who would answer, for a caller that passes the bytes on itself. Throws `model_unavailable`. Sends nothing. */
  route(asked: Asked, caller: Pick<ModelCaller, 'env' | 'lent' | 'admit'>, shape: Shape): Promise<Route>
  /**
   * The way to all that one provider answers in its own language, behind its base URL: for a caller that passes the bytes
   * on itself. Nobody stands in for it; where no model is named, `admit` is not asked. Throws `model_unavailable`. Sends
   * nothing.
   */
  account(
    asked: { provider: string; model?: string | undefined },
    caller: Pick<ModelCaller, 'env' | 'lent' | 'admit'>,
  ): Promise<Route>
  check: CheckModel
  /** Runs a model that has inputs of its own. */
  predict: Predict
  uploadInput: UploadInput
  /** The names that can be written now with the keys of these environments, as far as they are known. Asks nobody. */
  routable(places: readonly Place[]): Promise<RoutableModel[]>
  /** The same, once those providers were asked for their lists whose lists are not known or old: takes 2 s at most. */
  listed(places: readonly Place[]): Promise<RoutableModel[]>
  /** Who would answer to a name, for whichever shape of call; undefined where nobody would. Asks nobody. */
  ownerOf(model: string, places: readonly Place[]): RoutableModel | undefined
}

/** See the settings of the same names. */
export interface CallLimits {
  /** How often a call is sent while its failure is of the kind that passes. */
  tries: number
  firstByteSeconds: number
  idleSeconds: number
  /** Of an answer or a file, unpacked. */
  maxBytes?: number
  /** Most files that one call fetches. */
  mediaFiles?: number
}

/** A call on its way to a provider. */
export interface WireCall extends Target {
  /** The way to the target's URL, and to no other. */
  open: Open
  /** The guarded way, for URLs that stand in a request or an answer. It never takes a key along. */
  download: Fetch
  env: LookUpVariable
  limits: CallLimits
  signal: AbortSignal
}

/** What of a request the provider's protocol has no place for, a sentence each. */
interface Warned {
  warnings: string[]
}

export interface Completed extends Warned {
  completion: ChatCompletion
}

/** `chunks` throws where the answer breaks off; an end that it comes to by itself is the end of a whole answer. */
export interface Streaming extends Warned {
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
  /** US dollars, where the provider says what it cost. */
  stated_cost?: number
}

/**
 * How a provider is spoken to: each call is tried once. What is wrong with a request is `parameter_invalid`, what comes
 * back instead of an answer is `upstream_failed`, and neither ever shows a key.
 */
export interface WireProtocol {
  complete(request: ChatRequest, call: WireCall): Promise<Completed>
  stream(request: ChatRequest, call: WireCall): Promise<Streaming>
  embed(request: EmbeddingRequest, call: WireCall): Promise<Embedded>
  draw(request: ImageRequest, call: WireCall): Promise<Drawn>
}
