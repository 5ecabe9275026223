/** Connections outside the pools: journal, call records, listener, watch, and one for a key rotation. */
const ownConnections = 5
const mostOfLibrary = 5

/** Maximum connections of each pool. */
export interface ConnectionShares {
  /** The lease library. */
  library: number
  /** Authentication, cancels and heartbeats. */
  urgent: number
  /** Work on runs. */
  runs: number
  /** Requests and housekeeping. */
  requests: number
}

/** Divides the connections of one process (JETTY_DATABASE_CONNECTIONS) among its pools. */
export const shareConnections = (total: number): ConnectionShares => {
  const pooled = total - ownConnections
  const library = Math.min(mostOfLibrary, Math.max(2, Math.floor(pooled * 0.25)))
  const urgent = Math.min(2, Math.max(1, Math.floor((pooled - library) / 5)))
  const runs = Math.max(1, Math.floor((pooled - library - urgent) * 0.4))
  return { library, urgent, runs, requests: pooled - library - urgent - runs }
}
