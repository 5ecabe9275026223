/** Beside the pools: the journal, the records of calls, the listener, the watch, and one for a change of the key. */
const ownConnections = 5
const mostOfLibrary = 6

/** The smallest number with which a process works. */
export const leastConnections = 11

/** How many connections each pool may have. */
export interface ConnectionShares {
  /** The library that hands leases out. */
  library: number
  /** Authentication, cancels, heartbeats. */
  urgent: number
  /** The work on runs. */
  runs: number
  /** Requests and housekeeping. */
  requests: number
}

/** Shares the connections that one process may have (JETTY_DATABASE_CONNECTIONS) among its pools. */
export const shareConnections = (total: number): ConnectionShares => {
  const pooled = total - ownConnections
  const library = Math.min(mostOfLibrary, Math.max(3, Math.floor(pooled * 0.3)))
  const urgent = Math.min(2, Math.max(1, Math.floor((pooled - library) / 5)))
  const runs = Math.max(1, Math.floor((pooled - library - urgent) * 0.4))
  return { library, urgent, runs, requests: pooled - library - urgent - runs }
}
