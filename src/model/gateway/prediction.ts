import type { ModelCaller } from './chat.ts'

/** Input for running a model with its own inputs. */
export interface PredictionRequest {
  /** `owner/name`, or `owner/name:version`. */
  model: string
  input: Record<string, unknown>
  /** Seconds after which the provider cancels the prediction, even if no caller is left. */
  lifetimeSeconds: number
}

/** A file made by a prediction. `type` is the announced content type, if any. */
export interface PredictedFile {
  bytes: Uint8Array
  type: string
}

/** Fetches files hosted elsewhere than at the provider: guarded, and within the collection's allowed hosts. */
export type FetchElsewhere = (
  url: string,
) => Promise<{ status: number; headers: Record<string, string>; bytes(): Promise<Uint8Array> }>

/** A successful prediction. */
export interface Prediction {
  id: string
  provider: string
  /** As requested, without the version. */
  model: string
  version: string | null
  /** The model's output; files are URLs or data URIs in it. */
  output: unknown
  /** Compute seconds; null when not reported. */
  predict_seconds: number | null
  /** US dollars; usually null, since a second's price depends on the hardware. */
  cost_usd: number | null
  /** Whether the provider itself hosts a file of the output. */
  keeps(url: string): boolean
  /**
   * Fetches a file of the output: from the provider's API with the key, from elsewhere through `elsewhere` without it.
   */
  file(url: string, elsewhere: FetchElsewhere): Promise<PredictedFile>
}

/** Overrides the key of the environment. */
export interface PredictionOptions {
  key?: string | undefined
}

/**
 * Runs a model and waits for its output; an abort cancels it. Throws like `CallModel`; a failed prediction is
 * `upstream_failed` with the end of the model's log.
 */
export type Predict = (
  request: PredictionRequest,
  caller: ModelCaller,
  options?: PredictionOptions,
) => Promise<Prediction>

/** Uploads an input file where models can fetch it; returns its URL. */
export type UploadInput = (
  file: { name: string; type: string; bytes: Uint8Array },
  caller: ModelCaller,
  options?: PredictionOptions,
) => Promise<string>
