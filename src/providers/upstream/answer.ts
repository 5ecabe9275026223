import type { AppError } from '../../lib/errors.ts'
import type { StatedFailure } from './formats/format.ts'
import type { FrameStream } from './frames/sse.ts'
import type { PushStream } from './push-stream.ts'

/** An answer whose rest is still arriving. */
export interface LargeAnswer {
  /** What has arrived so far; may be empty. */
  begun: Buffer
  rest: PushStream<Buffer>
}

/** The answer of a provider. Nothing of it was sent to the client yet. */
export type UpstreamAnswer = {
  status: number
  /** The headers meant for the client. */
  headers: Record<string, string>
  firstByteMs: number
} & (
  | { kind: 'whole'; bytes: Buffer; failure?: StatedFailure }
  | ({ kind: 'large' } & LargeAnswer)
  | { kind: 'events'; source: FrameStream }
  /** `bytes` are the provider's own words, `error` says the same as an error of this server. */
  | { kind: 'refused'; bytes: Buffer; error: AppError }
)

export const refusalIn = (answer: UpstreamAnswer): AppError | undefined =>
  answer.kind === 'refused' ? answer.error : undefined

/** The status for the client of a provider that refused with this one. */
export const refusedStatus = (status: number): number => (status >= 400 && status < 600 ? status : 502)
