/** What one lease of a fan-out carries: so many runs, of which `share` may execute at once. */
export interface Chunk {
  share: number
  size: number
}

/** Leases of one fan-out that are out at the same time: enough for several processes, few enough to stay cheap. */
const mostLanes = 16
/** Runs in one lease; where the share is larger, that many. */
const largestChunk = 250
/** For how long a lease has work: a process that joins, or has nothing left, gets its share after that time. */
const leaseMs = 500
/** Runs of a lease for each place, as long as nothing is known of how long they take. */
const firstRunsEach = 4

/**
 * The next lease of a fan-out; undefined while nothing more may begin. The shares of all that are out sum to the
 * concurrency at the most, so that it holds over all processes. A lease gets as many runs as end in `leaseMs`; `paceMs`
 * is the time from one end to the next one in a lease, as far as it is known. Towards the end chunks get smaller (guided
 * self-scheduling): one lane with slow runs must not have a long queue while the others have nothing left. `room` is how
 * many runs may be open beside those that are: a lease that does not fit takes as many as begin at once.
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
