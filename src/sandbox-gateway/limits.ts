/** Limits of one gateway, in bytes and seconds. */
export interface GatewayLimits {
  /** Most bytes of a request body. */
  bodyBytes: number
  /** Longest wait for an answer of a model to begin, and longest silence within it. */
  firstByteSeconds: number
  idleSeconds: number
  /** Longest silence of a connection from the sandbox: one to a host, or one that does not read its answer. */
  insideIdleSeconds: number
  /** Longest wait for a connection to a host. */
  connectSeconds: number
  /** Most bytes exchanged with hosts in all. */
  hostBytes: number
  /** Most open connections, from the sandbox and to hosts. */
  connections: number
}

/** Most concurrent calls of models: what an agent with all its helpers needs. */
export const mostCalls = 32
