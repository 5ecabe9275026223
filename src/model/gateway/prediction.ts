import type { ModelCaller } from './chat.ts'

/** What a model with inputs of its own is run with. */
export interface PredictionRequest {
  /** `owner/name`, or `owner/name:version`. */
  model: string
  input: Record<string, unknown>
  /** After so many seconds it is given up by whoever makes it, even if nobody is left to say so. */
  lifetimeSeconds: number
}

/** A file that a prediction has made. `type` is the content type that it was announced with, if any was. */
export interface PredictedFile {
  bytes: Uint8Array
  type: string
}

/** How a step fetches what is kept elsewhere than at the provider: guarded, and within what its collection allows. */
export type FetchElsewhere = (
  url: string,
) => Promise<{ status: number; headers: Record<string, string>; bytes(): Promise<Uint8Array> }>

/** A prediction that has succeeded. */
export interface Prediction {
  id: string
  provider: string
  /** As it was asked for, without the version. */
  model: string
  version: string | null
  /** Whatever the model gives: files are URLs in it, or data URIs. */
  output: unknown
  /** Seconds of computing; null where they were not counted. */
  predict_seconds: number | null
  /** US dollars; null where nobody knows, which is the rule: what a second costs depends on the hardware. */
  cost_usd: number | null
  /** Whether a file of the output is kept by those who made it, and not elsewhere. */
  keeps(url: string): boolean
  /** Fetches a file of the output: from the API with the key, from anywhere else through `elsewhere`, without. */
  file(url: string, elsewhere: FetchElsewhere): Promise<PredictedFile>
}

/** Overrides the key of the environment. */
export interface PredictionOptions {
  key?: string | undefined
}

/**
 * Runs a model and waits for its output; whoever aborts has it cancelled. Throws like `CallModel`, and `upstream_failed`
 * with the end of the model's log where the prediction failed.
 */
export type Predict = (
  request: PredictionRequest,
  caller: ModelCaller,
  options?: PredictionOptions,
) => Promise<Prediction>

/** Puts a file where the models can fetch it, for an input; gives its URL. */
export type UploadInput = (
  file: { name: string; type: string; bytes: Uint8Array },
  caller: ModelCaller,
  options?: PredictionOptions,
) => Promise<string>
