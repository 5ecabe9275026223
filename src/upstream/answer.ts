import type { AppError } from '../lib/errors.ts'
import type { StatedFailure } from './formats/format.ts'
import type { FrameStream } from './frames/sse.ts'
import type { PushStream } from './push-stream.ts'

/** An answer that goes on after its start. */
export interface LargeAnswer {
  chunks: Buffer[]
  rest: PushStream<Buffer>
}

/** What a provider answered. Nothing of it has been shown to the client yet. */
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

/** The status for the client of a provider that refused with this one. */
export const refusedStatus = (status: number): number => (status >= 400 && status < 600 ? status : 502)
