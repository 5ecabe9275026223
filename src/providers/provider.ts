import type { CallModel } from '../model/chat.ts'

/** Somebody who answers model calls over HTTP, told by facts alone. */
export interface Provider {
  /** What clients put before a model's name: `groq/llama-3.3-70b-versatile`. */
  id: string
  name: string
  /** Other spellings of the id. */
  aliases: readonly string[]
  base_url: string
  /** What follows the base URL for a chat completion. */
  chat_path: string
  /** Variables that may hold the key, in the order they are looked at. */
  keys: readonly string[]
  /** How the key is sent: `Authorization: Bearer <key>`. */
  auth: 'bearer'
  wire: 'openai'
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

/** Everybody who answers model calls, behind one call. */
export interface Models {
  call: CallModel
  /** The names that can be written now with the keys of these environments. Asks nobody. */
  routable(environments: LookUpVariable[]): Promise<RoutableModel[]>
}
