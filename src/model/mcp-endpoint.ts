import type { AccessLevelName } from './collections/identity.ts'

/** One HTTP request of a client. */
export interface McpRequest {
  body: unknown
  /** The key of the caller. */
  token: string
  /** Identifies the key; two keys never share a session. */
  owner: string
  access: AccessLevelName
  sessionId: string | undefined
  protocolVersion: string | undefined
  /** Headers of W3C for the trace that it belongs to; empty for none. */
  trace: Readonly<Record<string, string>>
}

/** Messages of JSON-RPC that answer one request. */
interface McpAnswers {
  /**
   * Resolves with the answers if they are complete in time and no notification precedes them; otherwise with undefined.
   */
  whole(patienceMs: number): Promise<readonly object[] | undefined>
  messages(signal: AbortSignal): AsyncIterable<object>
}

/** The answer to a request: nothing, or the queue of its messages. */
export interface McpResponse {
  /** For the client to send with every later request; only after `initialize`. */
  sessionId: string | undefined
  queue: McpAnswers | undefined
  /** The client has left, or has everything. */
  end(): void
}

export interface McpEndpoint {
  post(request: McpRequest): Promise<McpResponse>
  /** Cancels what a session has in flight. */
  end(request: Pick<McpRequest, 'owner' | 'sessionId'>): void
}
