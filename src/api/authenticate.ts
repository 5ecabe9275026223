import type { Credentials } from '../http/authorise.ts'
import { AppError } from '../lib/errors.ts'
import { makeLru } from '../lib/memory/lru.ts'
import { hashToken, sameText } from '../lib/secrets/crypto.ts'
import { hashWithToken, isSessionSecret } from '../lib/secrets/session-secrets.ts'
import { now } from '../lib/time.ts'
import { covers, type FoundCollection, type Identity } from '../model/collections/identity.ts'
import type { CountedCall } from '../store/calls/call-guard.ts'
import type { KnownKey } from '../store/collections/keys.ts'
import type { KnownSession } from '../store/collections/sessions.ts'

const windowMs = 60_000
const addressesKept = 10_000

/**
 * Address under which attempts are counted: for IPv6 the first 64 bits, since its owner has all addresses of that
 * prefix.
 */
export const addressOf = (remote: string): string => {
  const plain = remote.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::', 2)
  const left = head === '' ? [] : head.split(':')
  const right = tail ? tail.split(':') : []
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0')
  return [...left, ...zeros, ...right].slice(0, 4).join(':')
}

/**
 * Counts refused tokens by address in one-minute windows that start with the first one. Remembers the 10,000 addresses
 * that failed last. `limit` 0 disables it.
 */
export const makeAttempts = (limit: number, now: () => number = () => performance.now()) => {
  const windows = makeLru<string, { startedAt: number; failures: number }>(addressesKept)

  const begin = (address: string) => {
    const window = { startedAt: now(), failures: 0 }
    windows.set(address, window)
    return window
  }

  return {
    /** Counts a failure. Returns the whole seconds to wait when the limit was reached before, else 0. */
    failed(remote: string): number {
      if (limit === 0) return 0
      const address = addressOf(remote)
      const known = windows.get(address)
      const window = known && now() - known.startedAt < windowMs ? known : begin(address)
      window.failures++
      return window.failures <= limit ? 0 : Math.max(1, Math.ceil((window.startedAt + windowMs - now()) / 1000))
    },
    get size() {
      return windows.size
    },
  }
}

export interface AuthenticateDeps {
  adminToken: string
  findKey(hash: string): Promise<KnownKey | undefined>
  touchKey(key: KnownKey): void
  findSession(cookieHash: string): Promise<KnownSession | undefined>
  touchSession(session: KnownSession): void
  /** Consumes the code of a sign-in link, so that it works only once. */
  takeCode(hashes: readonly string[]): Promise<{ hash: string; endsAt: Date; key: KnownKey | undefined } | undefined>
  /** Refused tokens allowed from one address in a minute; 0 or absent: unlimited. */
  failuresPerMinute?: number
}

const admin: Identity = {
  kind: 'admin',
  keyId: null,
  name: null,
  prefix: null,
  access: 'ADMIN',
  collectionIds: [],
  payer: 0,
  homeId: null,
  expiresAt: null,
}

const refused = (text: string): AppError =>
  new AppError('unauthenticated', text, { hint: 'Create a new token, and send it as Authorization: Bearer <token>.' })

const signedOut = (): AppError =>
  new AppError('unauthenticated', 'This browser is not signed in, or its session has ended', {
    hint: 'Sign in again with a token, or with the link that `jetty sign-in` prints.',
  })

const codeRefused = (): AppError =>
  new AppError('unauthenticated', 'This sign-in link was used before, or has expired', {
    hint: 'A link is good once, for ten minutes. `jetty sign-in` prints a new one.',
  })

const identityOf = (key: KnownKey): Identity => ({
  kind: 'key',
  keyId: key.id,
  name: key.name,
  prefix: key.key_prefix,
  access: key.access_level,
  collectionIds: key.collection_ids,
  payer: key.payer,
  homeId: key.home_collection_id,
  expiresAt: key.expires_at,
})

const isOver = (at: Date | null): boolean => at !== null && at.getTime() <= now()

const asUnavailable = async <T>(look: Promise<T>): Promise<T> => {
  try {
    return await look
  } catch (cause) {
    if (!(cause instanceof AppError && cause.code === 'database_unavailable')) throw cause
    throw new AppError('database_unavailable', 'Authentication service temporarily unavailable', {
      retryAfterSeconds: 1,
      cause,
    })
  }
}

const byToken = async (deps: AuthenticateDeps, header: string): Promise<Identity> => {
  const token = /^bearer +(\S+) *$/i.exec(header)?.[1]
  if (token === undefined) throw refused('Not authenticated')
  if (sameText(token, deps.adminToken)) return admin
  if (!token.startsWith('mlc_')) throw refused('Invalid API key or JWT token')
  if (!/^mlc_[a-z0-9]{32}$/.test(token)) throw refused('Invalid API key format')
  const key = await asUnavailable(deps.findKey(hashToken(token)))
  if (!key?.is_active || isOver(key.expires_at)) throw refused('Invalid or inactive API key')
  deps.touchKey(key)
  return identityOf(key)
}

/** Identity of a key that a session or a link was made with; undefined when the key does not admit any more. */
const ofKey = (deps: AuthenticateDeps, key: KnownKey | undefined): Identity | undefined => {
  if (!key) return admin
  if (!key.is_active || isOver(key.expires_at)) return undefined
  deps.touchKey(key)
  return identityOf(key)
}

/** A session of the admin token is stored under the hash with that token, any other under the plain one. */
const bySession = async (deps: AuthenticateDeps, cookie: string, header: string | undefined): Promise<Identity> => {
  if (!isSessionSecret('cookie', cookie)) throw signedOut()
  const [ofSomeKey, ofAdmin] = await asUnavailable(
    Promise.all([hashToken(cookie), hashWithToken(cookie, deps.adminToken)].map(deps.findSession)),
  )
  const session = ofSomeKey?.key ? ofSomeKey : ofAdmin?.key ? undefined : ofAdmin
  if (!session || isOver(session.ends_at)) throw signedOut()
  if (header !== undefined && !sameText(hashToken(header), session.header_hash)) throw signedOut()
  const identity = ofKey(deps, session.key)
  if (!identity) throw signedOut()
  deps.touchSession(session)
  return { ...identity, sessionId: session.session_id }
}

const byCode = async (deps: AuthenticateDeps, code: string): Promise<Identity> => {
  if (!isSessionSecret('code', code)) throw codeRefused()
  const [ofSomeKey, ofAdmin] = [hashToken(code), hashWithToken(code, deps.adminToken)]
  const taken = await asUnavailable(deps.takeCode([ofSomeKey, ofAdmin]))
  if (!taken || isOver(taken.endsAt) || taken.hash !== (taken.key ? ofSomeKey : ofAdmin)) throw codeRefused()
  const identity = ofKey(deps, taken.key)
  if (!identity) throw codeRefused()
  return identity
}

const identify = (deps: AuthenticateDeps, credentials: Credentials): Promise<Identity> => {
  if (credentials.kind === 'token') return byToken(deps, credentials.header)
  if (credentials.kind === 'code') return byCode(deps, credentials.code)
  return bySession(deps, credentials.cookie, credentials.kind === 'session' ? credentials.header : undefined)
}

/**
 * Makes the function that authenticates a request. It throws 401, or 429 after too many refused credentials from the
 * address. Valid ones are always accepted, whatever others did.
 */
export const makeAuthenticate = (deps: AuthenticateDeps) => {
  const attempts = makeAttempts(deps.failuresPerMinute ?? 0)
  return async (credentials: Credentials, address?: string): Promise<Identity> => {
    try {
      return await identify(deps, credentials)
    } catch (error) {
      const failed = error instanceof AppError && error.code === 'unauthenticated'
      const wait = failed && address !== undefined ? attempts.failed(address) : 0
      if (wait === 0) throw error
      throw new AppError('rate_limited', 'Rate limit exceeded', {
        hint: 'This address sent too many invalid tokens. Send a valid token, or wait.',
        retryAfterSeconds: wait,
      })
    }
  }
}

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
