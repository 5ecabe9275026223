/** The pauses between attempts: each is longer than the one before, up to a limit. */
export interface Backoff {
  firstMs: number
  /** Default: no limit. */
  longestMs?: number
  /** Default: 2. */
  factor?: number
  /** Share of the pause that is random: 0.2 makes it 80 to 120 %. It keeps callers that failed together apart. Default: 0. */
  jitter?: number
}

/**
 * Milliseconds before the next attempt, after so many failures (at least 1). A service that says in how many seconds it can be
 * asked again is waited for as long as it says.
 */
export const backoffMs = (failures: number, backoff: Backoff, askedSeconds?: number): number => {
  if (askedSeconds !== undefined) return askedSeconds * 1000
  const { firstMs, longestMs = Number.POSITIVE_INFINITY, factor = 2, jitter = 0 } = backoff
  const grownMs = firstMs * Math.min(factor ** (failures - 1), Number.MAX_SAFE_INTEGER)
  return Math.min(grownMs, longestMs) * (1 + jitter * (2 * Math.random() - 1))
}
