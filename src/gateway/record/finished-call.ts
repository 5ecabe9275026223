import type { Scrubber } from '../../lib/secrets/scrub.ts'
import type { FailedAttempt } from '../../model/gateway/chat.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import type { StartLabel } from '../../model/runs/label.ts'
import type { Provider } from '../../providers/provider.ts'

/** A call of the gateway that has ended. The recorder turns it into a trajectory. */
export interface FinishedCall {
  /** Run key and trajectory id, drawn when the call begins so that headers can name them. */
  key: string
  trajectoryId: string
  /** Where the call is recorded. Without a task name: in the server's own task for its shape. */
  place: { collectionId: number; payer: number; collection: string; environmentId: number | null; taskName: string }
  author: string
  /** Each key once. */
  labels?: readonly StartLabel[] | undefined
  /** The trace that it came with: see `readTrace`. */
  trace?: string | undefined
  /** Redacts the secrets of the environment. */
  scrub: Scrubber
  shape: Shape
  stream: boolean
  /** The provider that answered; null if none was called. */
  provider: Provider | null
  /** The provider's name for the model. */
  model: string
  /** The body as the client sent it: a valid JSON object. */
  request: Buffer
  /** Whether the body has members meant for this server. */
  hasOptions: boolean
  status: 'completed' | 'failed' | 'cancelled'
  /** Status of the provider's answer; null if there was none. */
  httpStatus: number | null
  error: { code: string; message: string; hint?: string | undefined } | null
  /**
   * The part that has arrived. `data` holds the data of the events in order, without `[DONE]`. `bytes` is a file. `truncated`: more arrived
   * than is kept.
   */
  answer:
    | { kind: 'json'; bytes: Buffer; truncated: boolean }
    | { kind: 'events'; data: string[]; truncated: boolean }
    | { kind: 'bytes'; bytes: Buffer; type: string; truncated: boolean }
    | null
  /** The deployment that answered, if its model has several. */
  deployment?: string | undefined
  /** Models that failed before the one that answered. */
  attempts?: readonly FailedAttempt[]
  /** Whether its collection has a budget: its cost then counts even if the provider counted nothing. */
  isBudgeted?: boolean
  /** The answer came from the cache. */
  cached: boolean
  /** Milliseconds since 1970. */
  startedMs: number
  firstByteMs: number | null
  endedMs: number
}

/** The labels of a call without secrets; undefined if it has none. */
export const scrubbedLabels = ({ labels, scrub }: Pick<FinishedCall, 'labels' | 'scrub'>): StartLabel[] | undefined =>
  labels?.map(({ key, value }) => ({ key: scrub.text(key), value: scrub.text(value) }))
