import { z } from 'zod'

/** One part of a message: text, an image, or whatever a provider takes beside. */
export const chatPartSchema = z.looseObject({ type: z.string() })

export const chatMessageSchema = z.looseObject({
  role: z.string(),
  content: z.union([z.string(), z.array(chatPartSchema), z.null()]).optional(),
})

/** The body of a chat completion as OpenAI has it; members that are not named here are passed on as they are. */
export const chatRequestSchema = z.looseObject({
  model: z.string().min(1),
  messages: z.array(chatMessageSchema).min(1),
  temperature: z.number().nullish(),
  max_tokens: z.number().int().positive().nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
})

/** What a provider says it used; what else it counts stays beside. */
export const chatUsageSchema = z.looseObject({
  prompt_tokens: z.number().nullish(),
  completion_tokens: z.number().nullish(),
  total_tokens: z.number().nullish(),
})

/** The answer to it: no more is asked of a provider than what somebody here reads. */
export const chatCompletionSchema = z.looseObject({
  id: z.string().nullish(),
  model: z.string().nullish(),
  choices: z
    .array(
      z.looseObject({
        message: z.looseObject({ content: z.union([z.string(), z.array(chatPartSchema), z.null()]).optional() }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
  usage: chatUsageSchema.nullish(),
})

/** One event of a streamed answer: what is new of it. Usage comes last, with no choice beside it, if it was asked for. */
export const chatChunkSchema = z.looseObject({
  id: z.string().nullish(),
  model: z.string().nullish(),
  choices: z.array(
    z.looseObject({
      index: z.number().int().nullish(),
      delta: z.looseObject({ role: z.string().nullish(), content: z.string().nullish() }).nullish(),
      finish_reason: z.string().nullish(),
    }),
  ),
  usage: chatUsageSchema.nullish(),
})

export type ChatPart = z.infer<typeof chatPartSchema>
export type ChatMessage = z.infer<typeof chatMessageSchema>
export type ChatRequest = z.infer<typeof chatRequestSchema>
export type ChatCompletion = z.infer<typeof chatCompletionSchema>
export type ChatChunk = z.infer<typeof chatChunkSchema>

/** Tokens of one call: those that came from a cache or went into reasoning are part of the others. */
export interface ModelUsage {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
  cached_tokens?: number
  /** What was put into a cache, where that has a price of its own. */
  cache_write_tokens?: number
  reasoning_tokens?: number
}

/** One answer of a model, whole. */
export interface ModelAnswer {
  /** As the provider sent it. */
  completion: ChatCompletion
  /** The text of the first choice; empty where the model answered with something else, such as a tool call. */
  text: string
  /** Who answered, and what it calls the model. */
  provider: string
  model: string
  /** Null where the provider did not say. */
  usage: ModelUsage | null
  /** What the call cost in US dollars; null where nobody knows. */
  cost_usd: number | null
  /** What of the request the provider's own protocol has no place for, a sentence each; absent where all was asked. */
  warnings?: string[]
}

/** One answer of a model as it is written. */
export interface ModelStream {
  /** Who answers, and what it calls the model. */
  provider: string
  model: string
  warnings: string[]
  /**
   * In order, to be read once. It throws `upstream_failed`, `network_failed` or `timed_out` where the answer breaks off:
   * a stream that ends by itself was whole. Leaving the loop early tells the provider to stop.
   */
  chunks: AsyncIterable<ChatChunk>
}

/** What overrides the name of the model and the environment. */
export interface ChatOptions {
  provider?: string | undefined
  key?: string | undefined
}

/** A call to a model that is about to be sent. */
export interface OutgoingCall {
  provider: string
  model: string
  url: string
  /** Whoever runs the server chose that URL. */
  trusted: boolean
  /** Whether anybody knows what it costs. */
  hasPrice(): Promise<boolean>
}

/** A model that was asked in vain before another one answered. */
export interface FailedAttempt {
  /** As the caller wrote it. */
  model: string
  code: string
  message: string
}

/** On whose behalf a model is called. */
export interface ModelCaller {
  /** The variables in which keys and base URLs are looked up. */
  env(name: string): string | undefined
  /** Whether the server lends it the key of that name; `env` gives a placeholder then. */
  lent?(name: string): boolean
  /** Asked once it is known who is to answer, before anything is sent: what it throws is the failure of the call. */
  admit?(call: OutgoingCall): Promise<void>
  /** The only hosts from which files that a request or an answer names are fetched; any where it is absent. */
  allowedHosts?: readonly string[] | undefined
  /** Models to ask, in this order, where the one that was meant cannot answer. */
  fallbackModels?: readonly string[] | undefined
  /** Told of each that could not. */
  onFallback?(failed: FailedAttempt): void
  /** Takes memory for so many bytes of an answer as they come; undefined where there is room at once. */
  room?: ((bytes: number) => Promise<void> | undefined) | undefined
  signal: AbortSignal
}

/**
 * Calls a model. Throws `model_unavailable` before anything is sent where no key can serve it; what a provider answers
 * instead of a completion is `upstream_failed`, with its status and words, and never worth trying again: that was done.
 */
export type CallModel = (request: ChatRequest, caller: ModelCaller, options?: ChatOptions) => Promise<ModelAnswer>

/** The same as a stream: settles when the provider began to answer, until when it throws like `CallModel`. */
export type StreamModel = (request: ChatRequest, caller: ModelCaller, options?: ChatOptions) => Promise<ModelStream>
