import type { Dispatcher } from 'undici'
import type { CallModel, ModelCaller, StreamModel } from '../model/gateway/chat.ts'
import type { EmbedTexts } from '../model/gateway/embedding.ts'
import type { MakeImages } from '../model/gateway/image.ts'
import type { CheckModel } from '../model/gateway/model-calls.ts'
import type { Predict, UploadInput } from '../model/gateway/prediction.ts'
import type { Shape } from '../model/gateway/shape.ts'

/** How a provider is spoken to where it does not answer in the client's own shape. */
export type Wire = 'openai' | 'anthropic' | 'google' | 'vertex' | 'bedrock' | 'cohere' | 'scripted'

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
