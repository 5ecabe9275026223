import type { OpenAnswer } from '../../lib/net/open.ts'
import type { OutgoingRequest } from '../../lib/net/outgoing.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** Sends a request to the provider of a batch, below its base URL. Throws for anything but a success. */
export type SendToBatches = (path: string, request?: OutgoingRequest) => Promise<OpenAnswer>

/** One request of a batch. */
export interface BatchRequest {
  /** Unique in the batch: its answer names it. */
  id: string
  /** JSON text. */
  body: string
}

/** A batch as its provider shows it. */
export interface ProviderBatch {
  id: string
  isEnded: boolean
  /** Requests that were answered so far, and those that failed. */
  completed: number
  failed: number
  /** Paths of the lines with its results, once it has ended. */
  results: string[]
  /** Why the provider refused the batch as a whole. */
  problem: string | undefined
}

/** The result of one request. Without an answer the provider did not carry it out: it costs nothing. */
export interface BatchLine {
  id: string
  answer: { status: number; body: string } | undefined
}

/** A batch as this server knows it. */
export interface SentBatch {
  /** Our id: the provider shows it again where it can carry one. */
  id: string
  /** Path of its calls in the batch interface. */
  path: string
  requests: number
  /** When its creation was tried first, in milliseconds since 1970. */
  createdMs: number
  /** Id of the uploaded requests; null without an upload. */
  fileId: string | null
  /** The batches at this provider that are known to be others. */
  others: ReadonlySet<string>
}

/** The batch interface of a provider: one object for each form of it. */
export interface BatchApi {
  /** Most requests of a batch, and most bytes of all together. */
  most: { requests: number; bytes: number }
  /** Converts the URL path of a call to its path in the batch interface; undefined if it takes no such calls. */
  pathOf(urlPath: string): string | undefined
  /** Uploads the requests. Absent: `create` sends them. */
  upload?: {
    send(send: SendToBatches, batch: SentBatch, requests: BatchRequest[]): Promise<string>
    /** Finds the upload of an earlier attempt whose answer was lost. */
    find(send: SendToBatches, batch: SentBatch): Promise<string | undefined>
  }
  create(send: SendToBatches, batch: SentBatch, requests: () => Promise<BatchRequest[]>): Promise<ProviderBatch>
  /**
   * Finds the batch of an earlier attempt whose answer was lost. An API that carries no id of ours returns a batch that may
   * be it: the ids of its results tell.
   */
  find(send: SendToBatches, batch: SentBatch): Promise<ProviderBatch | undefined>
  /** Whether `find` may return a batch that is not the one. */
  isGuess: boolean
  retrieve(send: SendToBatches, id: string): Promise<ProviderBatch>
  cancel(send: SendToBatches, id: string): Promise<ProviderBatch>
  /** Reads a line of the results. */
  readLine(line: unknown): BatchLine | undefined
}

/** What an answer of a batch costs. */
interface LineCost {
  /** US dollars; null when the price is unknown. */
  usd: number | null
  tokens: number
}

/** The batch interface of one account, for calls of one model. */
export interface BatchClient {
  provider: Upstream['provider'] & { id: string }
  most: BatchApi['most']
  isGuess: boolean
  /** Undefined: `create` sends the requests itself. */
  upload: ((batch: SentBatch, requests: BatchRequest[]) => Promise<string>) | undefined
  findUpload(batch: SentBatch): Promise<string | undefined>
  create(batch: SentBatch, requests: () => Promise<BatchRequest[]>): Promise<ProviderBatch>
  find(batch: SentBatch): Promise<ProviderBatch | undefined>
  retrieve(id: string): Promise<ProviderBatch>
  cancel(id: string): Promise<ProviderBatch>
  /** Yields the results of an ended batch as they arrive. */
  results(batch: ProviderBatch): AsyncGenerator<BatchLine>
  /** Prices an answer, and counts it in the metrics of its model. */
  charge(body: string): Promise<LineCost>
}
