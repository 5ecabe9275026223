import type { Fetch } from '../../lib/net/net.ts'
import type { Open } from '../../lib/net/open.ts'
import type { ChatChunk, ChatCompletion, ChatRequest, ModelUsage } from '../../model/gateway/chat.ts'
import type { EmbeddingRequest } from '../../model/gateway/embedding.ts'
import type { ImageRequest, MadeImage } from '../../model/gateway/image.ts'
import type { LookUpVariable, Target } from '../provider.ts'

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
