import { AppError } from '../lib/errors.ts'
import { covers, type FoundCollection, type Identity } from '../model/collections/identity.ts'
import type { CountedCall } from '../store/calls/call-windows.ts'

interface CallLimitDeps {
  /** Default calls a minute for each key; 0: unlimited. */
  callsPerMinute: number
  count(call: CountedCall): Promise<{ calls: number; secondsLeft: number }>
}

/** Limit of a key for a collection, and its counter; undefined: unlimited. */
const limitOf = (callsPerMinute: number, identity: Identity, collection: FoundCollection | undefined) => {
  const { keyId } = identity
  if (keyId === null) return undefined
  const covered = collection && covers(identity, collection.id) ? collection : undefined
  const own = covered?.settings?.rate_limit_per_minute
  const limit = own ?? callsPerMinute
  return limit === 0 ? undefined : { limit, keyId, collectionId: own && covered ? covered.id : 0 }
}

/** Makes the function that tells whether a key's calls are limited, without a query. */
export const makeIsLimited =
  (callsPerMinute: number) =>
  (identity: Identity, collection: FoundCollection | undefined): boolean =>
    limitOf(callsPerMinute, identity, collection) !== undefined

/**
 * Makes the function that counts a call and throws 429 above the limit. Calls to a collection with its own limit are
 * counted separately, all others of the key together. The admin token is unlimited; without a limit nothing is counted.
 */
export const makeCallLimit =
  ({ callsPerMinute, count }: CallLimitDeps) =>
  async (identity: Identity, collection: FoundCollection | undefined): Promise<void> => {
    const limited = limitOf(callsPerMinute, identity, collection)
    if (!limited) return
    const { limit, ...counted } = limited
    const { calls, secondsLeft } = await count(counted)
    if (calls <= limit) return
    throw new AppError('rate_limited', 'Rate limit exceeded', {
      hint: `This key may make ${limit} calls per minute. Wait for the number of seconds in Retry-After.`,
      retryAfterSeconds: secondsLeft,
    })
  }
