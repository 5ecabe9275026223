import { AppError, isDatabaseUnavailable } from '../../lib/errors.ts'
import { smallJson } from '../../lib/json/large-json.ts'
import { nextSlice } from '../../lib/slices.ts'
import type { Identity } from '../../model/collections/identity.ts'
import type { AccessChecks, Credentials } from '../authorise.ts'
import type { Exchange } from '../exchange.ts'
import type { ReadScopedBody, ScopedBody } from '../implement.ts'
import { bodyTooLarge, readBytes } from './body.ts'
import type { Room } from './memory.ts'

/** A body up to here is read before its token is checked: the database is asked for key and collection at once. */
const smallBody = 64 * 1024

interface ScopedBodyOptions {
  exchange: Exchange
  credentials: Credentials | undefined
  maxBytes: number
  readBody: ReadScopedBody<ScopedBody>
  /** Whom the credentials are known to belong to, without a look into the database. */
  identityOf(credentials: Credentials): Identity | undefined
  /** Takes memory for a large body, for the identity that sends it. */
  roomFor(identity: Identity | undefined): Room
}

/** Throws 401 for a token that is not valid. While the database is away nothing is known, and the identity is undefined. */
const requireToken = async (
  checks: AccessChecks,
  { exchange, credentials, identityOf }: Pick<ScopedBodyOptions, 'exchange' | 'credentials' | 'identityOf'>,
): Promise<Identity | undefined> => {
  if (credentials === undefined) throw new AppError('unauthenticated', 'Not authenticated')
  const known = identityOf(credentials)
  if (known) return known
  try {
    return await checks.authenticate(credentials, exchange.incoming.socket.remoteAddress)
  } catch (error) {
    if (!isDatabaseUnavailable(error)) throw error
    return undefined
  }
}

const readWhole = async (checks: AccessChecks, options: ScopedBodyOptions): Promise<Buffer> => {
  const { exchange, credentials, maxBytes, roomFor } = options
  const { incoming } = exchange
  if (credentials === undefined) throw new AppError('unauthenticated', 'Not authenticated')
  const size = Number(incoming.headers['content-length'])
  if (size > maxBytes) throw bodyTooLarge(maxBytes)
  if (size <= smallBody) return readBytes(incoming, maxBytes)
  const identity = await requireToken(checks, options)
  return readBytes(incoming, maxBytes, roomFor(identity), size)
}

/**
 * Reads a body that names its collection, before the call is authorised. Large bodies take memory, so they are read
 * only for valid tokens. A wrong token is reported before any fault of the body.
 */
export const readScopedBody = async (checks: AccessChecks, options: ScopedBodyOptions): Promise<ScopedBody> => {
  try {
    const bytes = await readWhole(checks, options)
    if (bytes.length > smallJson) await nextSlice() // many that come at once are read one by one
    return await options.readBody(bytes, options.exchange.incoming.headers)
  } catch (problem) {
    await requireToken(checks, options)
    throw problem
  }
}
