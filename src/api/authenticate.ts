import { AppError } from '../lib/errors.ts'
import { hashToken, sameText } from '../lib/secrets/crypto.ts'
import { now } from '../lib/time.ts'
import type { Identity } from '../model/collections/identity.ts'
import type { KnownKey } from '../store/collections/keys.ts'
import { makeAttempts } from './attempts.ts'

export interface AuthenticateDeps {
  adminToken: string
  findKey(hash: string): Promise<KnownKey | undefined>
  touchKey(key: KnownKey): void
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
  homeId: null,
  expiresAt: null,
}

const refused = (text: string): AppError =>
  new AppError('unauthenticated', text, { hint: 'Create a new token, and send it as Authorization: Bearer <token>.' })

const identityOf = (key: KnownKey): Identity => ({
  kind: 'key',
  keyId: key.id,
  name: key.name,
  prefix: key.key_prefix,
  access: key.access_level,
  collectionIds: key.collection_ids,
  homeId: key.home_collection_id,
  expiresAt: key.expires_at,
})

const findKey = async (deps: AuthenticateDeps, token: string): Promise<KnownKey | undefined> => {
  try {
    return await deps.findKey(hashToken(token))
  } catch (cause) {
    if (!(cause instanceof AppError && cause.code === 'database_unavailable')) throw cause
    throw new AppError('database_unavailable', 'Authentication service temporarily unavailable', {
      retryAfterSeconds: 1,
      cause,
    })
  }
}

const identify = async (deps: AuthenticateDeps, header: string): Promise<Identity> => {
  const token = /^bearer +(\S+) *$/i.exec(header)?.[1]
  if (token === undefined) throw refused('Not authenticated')
  if (sameText(token, deps.adminToken)) return admin
  if (!token.startsWith('mlc_')) throw refused('Invalid API key or JWT token')
  if (!/^mlc_[a-z0-9]{32}$/.test(token)) throw refused('Invalid API key format')
  const key = await findKey(deps, token)
  const expired = key?.expires_at && key.expires_at.getTime() <= now()
  if (!key?.is_active || expired) throw refused('Invalid or inactive API key')
  deps.touchKey(key)
  return identityOf(key)
}

/**
 * Makes the function that authenticates an Authorization header. It throws 401, or 429 after too many refused tokens
 * from the address. A valid token is always accepted, whatever others did.
 */
export const makeAuthenticate = (deps: AuthenticateDeps) => {
  const attempts = makeAttempts(deps.failuresPerMinute ?? 0)
  return async (header: string, address?: string): Promise<Identity> => {
    try {
      return await identify(deps, header)
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
