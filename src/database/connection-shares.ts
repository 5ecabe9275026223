/** Beside the pools: the journal, the records of calls, the listener, the watch, and one for a change of the key. */
const ownConnections = 5
const mostOfLibrary = 6

/** The smallest number with which a process works. */
export const leastConnections = 10

/** Shares the connections that one process may have (JETTY_DATABASE_CONNECTIONS) among its pools. */
export const shareConnections = (total: number): { pool: number; library: number } => {
  const library = Math.min(mostOfLibrary, Math.max(3, Math.floor((total - ownConnections) * 0.4)))
  return { library, pool: total - ownConnections - library }
}
