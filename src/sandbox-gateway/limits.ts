/** Limits of one gateway. Bytes and seconds. */
export interface GatewayLimits {
  /** Of the body of one request. */
  bodyBytes: number
  /** How long a model may take until its answer begins, and be silent in the middle of it. */
  firstByteSeconds: number
  idleSeconds: number
  /** How long a connection of the inside may be silent, be it one to a host or one that does not take its answer. */
  insideIdleSeconds: number
  /** For the connection to a host. */
  connectSeconds: number
  /** That go through to hosts and back, in all. */
  hostBytes: number
  /** At once: of the inside, and to hosts. */
  connections: number
}

/** Of calls that are under way at once: what an agent with all its helpers needs. */
export const mostCalls = 32
