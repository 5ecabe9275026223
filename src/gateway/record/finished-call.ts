import type { Scrubber } from '../../lib/secrets/scrub.ts'
import type { FailedAttempt } from '../../model/gateway/chat.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import type { Provider } from '../../providers/provider.ts'

/** A call of the gateway that has come to its end, as what passed by: the recorder makes a trajectory of it. */
export interface FinishedCall {
  /** Key of the run and its trajectory id: drawn when the call begins, so that headers can name them. */
  key: string
  trajectoryId: string
  /** Where it is recorded. Without a task name it is the server's own task of the shape. */
  place: { collectionId: number; collection: string; environmentId: number | null; taskName: string }
  author: string
  /** Strikes out the secrets of the environment. */
  scrub: Scrubber
  shape: Shape
  stream: boolean
  /** Who answered; null where nobody was asked. */
  provider: Provider | null
  /** As the provider calls it. */
  model: string
  /** The body as the client sent it: a valid JSON object. */
  request: Buffer
  status: 'completed' | 'failed' | 'cancelled'
  /** Of the upstream's answer; null where there was none. */
  httpStatus: number | null
  error: { code: string; message: string; hint?: string | undefined } | null
  /**
   * What had arrived. `events` are the data of the SSE events in their order, without `[DONE]`. `truncated`: more came
   * than is kept.
   */
  answer:
    | { kind: 'json'; bytes: Buffer; truncated: boolean }
    | { kind: 'events'; data: string[]; truncated: boolean }
    | null
  /** Models that were asked in vain before the one that answered. */
  attempts?: readonly FailedAttempt[]
  /** Its collection has a budget: what it cost has to be counted, even where the provider did not. */
  isBudgeted?: boolean
  /** It came from the cache of answers, and nobody was asked. */
  cached: boolean
  /** Milliseconds since 1970. */
  startedMs: number
  firstByteMs: number | null
  endedMs: number
}
