import { AppError } from '../lib/errors.ts'
import { covers, type FoundCollection, type Identity } from '../model/collections/identity.ts'
import type { CountedCall } from '../store/calls/call-guard.ts'

interface CallLimitDeps {
  /** Default calls a minute for each key; 0: unlimited. */
  callsPerMinute: number
  count(call: CountedCall): Promise<{ calls: number; secondsLeft: number }>
}

interface Limit {
  limit: number
  counted: CountedCall
}

/**
 * The limits of a key for a collection. That of the collection counts beside that of the server; only the operator can set one
 * that is higher, and it replaces that of the server.
 */
const limitsOf = (callsPerMinute: number, identity: Identity, collection: FoundCollection | undefined): Limit[] => {
  const { keyId } = identity
  if (keyId === null) return []
  const covered = collection && covers(identity, collection.id) ? collection : undefined
  const own = covered?.settings?.rate_limit_per_minute ?? 0
  const limits: Limit[] = []
  if (covered && own > 0) limits.push({ limit: own, counted: { keyId, collectionId: covered.id } })
  if (callsPerMinute > 0 && own <= callsPerMinute) {
    limits.push({ limit: callsPerMinute, counted: { keyId, collectionId: 0 } })
  }
  return limits
}

/** Makes the function that tells whether a key's calls are limited, without a query. */
export const makeIsLimited =
  (callsPerMinute: number) =>
  (identity: Identity, collection: FoundCollection | undefined): boolean =>
    limitsOf(callsPerMinute, identity, collection).length > 0

/**
 * Makes the function that counts a call and throws 429 above a limit. The admin token is unlimited; without a limit nothing is
 * counted.
 */
export const makeCallLimit =
  ({ callsPerMinute, count }: CallLimitDeps) =>
  async (identity: Identity, collection: FoundCollection | undefined): Promise<void> => {
    const limits = limitsOf(callsPerMinute, identity, collection)
    if (limits.length === 0) return
    const counts = await Promise.all(limits.map(({ counted }) => count(counted)))
    const exceeded = limits.findIndex(({ limit }, at) => (counts[at]?.calls ?? 0) > limit)
    if (exceeded < 0) return
    throw new AppError('rate_limited', 'Rate limit exceeded', {
      hint: `This key may make ${limits[exceeded]?.limit} calls per minute. Wait for the number of seconds in Retry-After.`,
      retryAfterSeconds: counts[exceeded]?.secondsLeft ?? 1,
    })
  }
