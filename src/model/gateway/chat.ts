import { z } from 'zod'
import type { CallCollector } from './collected-call.ts'

/** One part of a message: text, an image, or another type a provider supports. */
const chatPartSchema = z.looseObject({ type: z.string() })

export const chatMessageSchema = z.looseObject({
  role: z.string(),
  content: z.union([z.string(), z.array(chatPartSchema), z.null()]).optional(),
})

/** Body of an OpenAI chat completion; members not named here are passed on unchanged. */
export const chatRequestSchema = z.looseObject({
  model: z.string().min(1),
  messages: z.array(chatMessageSchema).min(1),
  temperature: z.number().nullish(),
  max_tokens: z.number().int().positive().nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
})

/** Token usage as reported by a provider; other counts are kept. */
const chatUsageSchema = z.looseObject({
  prompt_tokens: z.number().nullish(),
  completion_tokens: z.number().nullish(),
  total_tokens: z.number().nullish(),
})

/** A chat completion, validated only as far as it is read here. */
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

/** One event of a streamed completion: the delta. Usage comes last, without choices. */
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

const tokens = z.number()

/** Tokens of one call, or of several together. Cached and reasoning tokens are included in the others. */
export const modelUsageSchema = z.object({
  prompt_tokens: tokens,
  completion_tokens: tokens,
  total_tokens: tokens,
  cached_tokens: tokens.exactOptional(),
  cache_write_tokens: tokens
    .exactOptional()
    .describe("Tokens written to the provider's cache, if they have a price of their own."),
  reasoning_tokens: tokens.exactOptional(),
  estimated: z
    .literal(true)
    .exactOptional()
    .describe(
      'The provider counted nothing, or not to the end of the answer: estimated from the texts, as is the cost.',
    ),
})
export type ModelUsage = z.infer<typeof modelUsageSchema>

/** A model's complete answer. */
export interface ModelAnswer {
  /** As the provider sent it. */
  completion: ChatCompletion
  /** Text of the first choice; empty when the model answered otherwise, such as with a tool call. */
  text: string
  /** Provider that answered, and its name of the model. */
  provider: string
  model: string
  /** Null when the provider reported none. */
  usage: ModelUsage | null
  /** Cost in US dollars; null when unknown. */
  cost_usd: number | null
  /** The cost is charged to the run already: a batch answered the call. */
  isCharged?: true
  /** Sentences about request parts that the provider's protocol cannot express; absent when there are none. */
  warnings?: string[]
}

/** A model's streamed answer. */
interface ModelStream {
  /** Provider that answers, and its name of the model. */
  provider: string
  model: string
  warnings: string[]
  /**
   * Chunks in order, to be read once. Throws `upstream_failed`, `network_failed` or `timed_out` when the answer breaks
   * off: a stream that ends normally is complete. Leaving the loop early cancels the provider's work.
   */
  chunks: AsyncIterable<ChatChunk>
}

/** Overrides of the model's name and the environment, and the preferred form of the answer. */
export interface ChatOptions {
  provider?: string | undefined
  key?: string | undefined
  /** Turns on the provider's JSON mode if it has one, so that the answer is a JSON object; prose is still possible. */
  prefersJson?: boolean | undefined
  /** JSON Schema that the answer has to fit: asked for in the provider's own mode if it has one, otherwise in words. */
  schema?: Readonly<Record<string, unknown>> | undefined
}

/** A model call about to be sent. */
export interface OutgoingCall {
  provider: string
  model: string
  url: string
  /** Whether the operator chose this URL. */
  trusted: boolean
  /** Whether its price is known. */
  hasPrice(): Promise<boolean>
}

/** A failed attempt with one model before another one answered. */
export interface FailedAttempt {
  /** As the caller wrote it. */
  model: string
  code: string
  message: string
}

/** Context of a model call: who pays, and what is allowed. */
export interface ModelCaller {
  /** Looks up variables that hold keys and base URLs. */
  env(name: string): string | undefined
  /** Whether the server lends the key of that name; `env` then returns a placeholder. */
  lent?(name: string): boolean
  /** Called once the provider is known, before anything is sent; an error it throws fails the call. */
  admit?(call: OutgoingCall): Promise<void>
  /** Hosts from which files named in a request or answer may be fetched; any when absent. */
  allowedHosts?: readonly string[] | undefined
  /** Models to try in order when the requested one cannot answer. */
  fallbackModels?: readonly string[] | undefined
  /** Called for each model that could not answer. */
  onFallback?(failed: FailedAttempt): void
  /** Reserves memory for an answer as it arrives; undefined when it is available at once. */
  room?: ((bytes: number) => Promise<void> | undefined) | undefined
  /** Attempts while failures pass; those of the server when absent. */
  tries?: number | undefined
  /** Takes chats for the batch interface of their provider. */
  collect?: CallCollector | undefined
  signal: AbortSignal
}

/**
 * Calls a model. Throws `model_unavailable` before anything is sent when no key can serve it. A provider's error is
 * `upstream_failed`, with its status and message, and not retryable: retries have been made.
 */
export type CallModel = (request: ChatRequest, caller: ModelCaller, options?: ChatOptions) => Promise<ModelAnswer>

/** Calls a model for a stream, and asks for its usage; resolves when the provider begins to answer, and throws like `CallModel` until then. */
export type StreamModel = (request: ChatRequest, caller: ModelCaller, options?: ChatOptions) => Promise<ModelStream>
