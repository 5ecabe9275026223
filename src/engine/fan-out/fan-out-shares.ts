/** Content of one lease of a fan-out: its runs, of which `share` may execute at once. */
export interface Chunk {
  share: number
  size: number
}

/** Maximum concurrent leases of one fan-out: enough for several processes, few enough to stay cheap. */
const mostLanes = 16
/** Maximum runs of a lease, unless its share is larger. */
const largestChunk = 250
/** Target duration of a lease: a process that joins, or runs dry, gets its share within that time. */
const leaseMs = 500
/** Runs of a lease for each unit of its share, while their duration is unknown. */
const firstRunsEach = 4

/**
 * Sizes the next lease of a fan-out; undefined when nothing more may start. The shares of all open leases sum to at
 * most the concurrency, so that it holds over all processes. A lease gets as many runs as end within `leaseMs`;
 * `paceMs` is the measured time between two ends in a lease. Towards the end leases get smaller (guided
 * self-scheduling), so that no slow lease has a long queue while the others are empty. `room` limits the additional
 * open runs: a lease that does not fit takes only as many as start at once.
 */
export const nextChunk = (
  concurrency: number,
  remaining: number,
  out: { lanes: number; shares: number },
  paceMs?: number,
  room = Number.POSITIVE_INFINITY,
): Chunk | undefined => {
  const lanes = Math.min(concurrency, mostLanes)
  const free = concurrency - out.shares
  if (remaining <= 0 || room <= 0 || free <= 0 || out.lanes >= lanes) return undefined
  const share = Math.ceil(free / (lanes - out.lanes))
  const timely = paceMs === undefined ? share * firstRunsEach : Math.ceil(leaseMs / Math.max(paceMs, 1))
  const guided = Math.ceil(remaining / (2 * lanes))
  const wanted = Math.min(remaining, Math.max(share, Math.min(largestChunk, timely, guided)))
  const size = wanted <= room ? wanted : Math.min(share, room)
  return { share: Math.min(share, size), size }
}
