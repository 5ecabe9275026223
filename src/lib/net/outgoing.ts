import type { TakeRoom } from './taken-room.ts'

/** A request to a server outside. */
export interface OutgoingRequest {
  method?: string
  headers?: Record<string, string>
  /** Headers that a redirect to another origin loses, beside those that look like a credential by their name. */
  credentialHeaders?: readonly string[]
  body?: string | Uint8Array
  /** Maximum decoded bytes of the answer. */
  maxBytes?: number
  /** Timeout for everything: DNS lookup, redirects, and the last byte. */
  timeoutSeconds?: number
  /** Timeout from the sent request to the first byte; default: only the total timeout. */
  firstByteSeconds?: number
  /** Timeout for pauses within an answer. */
  idleSeconds?: number
  /** False returns a redirect as an answer. */
  followRedirects?: boolean
  /** Follows a redirect to another origin without the body; otherwise one that keeps the body is an error. */
  redirectWithoutBody?: boolean | undefined
  /** Hosts that may be called, also by redirects; see `requireAllowedHost`. Undefined: any. */
  allowedHosts?: readonly string[] | undefined
  signal?: AbortSignal
  /** Reserves memory as the answer arrives. */
  room?: TakeRoom | undefined
}

/** A complete answer. Header names are in lower case; `url` is the last one after redirects. */
export interface OutgoingResponse {
  status: number
  headers: Record<string, string>
  url: string
  bytes(): Promise<Uint8Array>
  text(): Promise<string>
}
