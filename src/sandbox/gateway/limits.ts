/** Limits of one gateway, in bytes and seconds. */
export interface GatewayLimits {
  /** Maximum bytes of a request body. */
  bodyBytes: number
  /** Timeout for the first byte of a model's answer, and for pauses within it. */
  firstByteSeconds: number
  idleSeconds: number
  /** Timeout for pauses of a connection from the sandbox, to a host or reading an answer. */
  insideIdleSeconds: number
  /** Timeout for connecting to a host. */
  connectSeconds: number
  /** Maximum bytes exchanged with hosts in total. */
  hostBytes: number
  /** Maximum open connections, from the sandbox and to hosts. */
  connections: number
}

/** Maximum concurrent model calls: enough for an agent with all its subagents. */
export const mostCalls = 32
