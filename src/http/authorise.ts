import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../lib/errors.ts'
import {
  covers,
  type FoundCollection,
  type FoundPlace,
  type FoundTask,
  homeOf,
  type Identity,
} from '../model/collections/identity.ts'
import type { Endpoint } from './endpoint.ts'
import type { Exchange } from './exchange.ts'

/** The credentials of a request. A session has two halves: a cookie, and a header that only its page can send. */
export type Credentials =
  | { kind: 'token' /** The value of an Authorization header. */; header: string }
  | { kind: 'session'; cookie: string; header: string }
  | { kind: 'cookie' /** Half of a session: it reads files. */; cookie: string }
  | { kind: 'code' /** From a sign-in link; good once. */; code: string }

/** Header with the half of a session that its page keeps. */
const sessionHeader = 'x-jetty-session'

/** Name of the session cookie. Cookies ignore ports, so servers on one host need names of their own. */
export const sessionCookieName = (host: string | undefined): string => {
  const port = /:(\d+)$/.exec(host ?? '')?.[1]
  return port === undefined ? 'jetty_session' : `jetty_session_${port}`
}

const sessionCookie = ({ cookie = '', host }: IncomingHttpHeaders): string | undefined => {
  const start = `${sessionCookieName(host)}=`
  const found = cookie.split(/; */).find((one) => one.startsWith(start))
  return found?.slice(start.length)
}

/**
 * Whether a page of this server made the request; undefined if the browser does not say. Browsers send Sec-Fetch-Site
 * only over HTTPS and to localhost; over plain HTTP, Origin or Referer say it.
 */
const isFromOwnPage = (headers: IncomingHttpHeaders, publicOrigin: string | undefined): boolean | undefined => {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const from = headers.origin ?? headers.referer
  if (from === undefined) return undefined
  if (!URL.canParse(from)) return false
  const { host, origin } = new URL(from)
  return host === headers.host || origin === publicOrigin
}

/** Throws 403 when the browser says that a page of another server made the request. */
export const refuseOtherPages = (headers: IncomingHttpHeaders, publicOrigin: string | undefined): void => {
  if (isFromOwnPage(headers, publicOrigin) !== false) return
  throw new AppError('forbidden', 'A page of another server made this request', {
    hint: 'Open the pages of this server at its own address; behind a proxy, set JETTY_PUBLIC_URL to that address.',
  })
}

const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD'

/** The password of Basic authentication as a bearer token; undefined for another scheme. */
const bearerOfBasic = (header: string): string | undefined => {
  const packed = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header)?.[1]
  return (
    packed &&
    `Bearer ${Buffer.from(packed, 'base64')
      .toString()
      .replace(/^[^:]*:/, '')}`
  )
}

/** The token where Google's clients send it. The query with it is never logged or recorded. */
const googleKeyOf = (headers: IncomingHttpHeaders, target: string): string | undefined =>
  headers['x-goog-api-key']?.toString() ?? new URLSearchParams(target.split('?', 2)[1]).get('key') ?? undefined

/**
 * Reads the credentials of a request. An Authorization header always wins; some calls may bring it as `x-api-key`, or as Google's clients do. Both
 * halves of a session count everywhere, but a page of another server may change nothing. The cookie alone counts only where the
 * endpoint says so, and only for pages of this server: browsers also send it with requests of other ports of the host.
 */
export const credentialsOf = (
  { method, target, incoming: { headers } }: Pick<Exchange, 'method' | 'target' | 'incoming'>,
  { apiKeyHeader, googleKey, basicAuth, cookieReads }: Endpoint,
  publicOrigin: string | undefined,
): Credentials | undefined => {
  const { authorization, 'x-api-key': key } = headers
  if (authorization) return { kind: 'token', header: (basicAuth && bearerOfBasic(authorization)) || authorization }
  if (apiKeyHeader && key !== undefined) return { kind: 'token', header: `Bearer ${key}` }
  const ofGoogle = googleKey ? googleKeyOf(headers, target) : undefined
  if (ofGoogle !== undefined) return { kind: 'token', header: `Bearer ${ofGoogle}` }
  const half = headers[sessionHeader]
  const cookie = sessionCookie(headers)
  if (half !== undefined) {
    if (!isRead(method)) refuseOtherPages(headers, publicOrigin)
    return { kind: 'session', cookie: cookie ?? '', header: String(half) }
  }
  const mayRead = cookieReads && isRead(method) && cookie !== undefined && isFromOwnPage(headers, publicOrigin) === true
  return mayRead ? { kind: 'cookie', cookie } : undefined
}

/** A text that differs for different credentials, used as a cache key. No Authorization header has a line break. */
export const credentialText = (credentials: Credentials): string => {
  if (credentials.kind === 'token') return credentials.header
  if (credentials.kind === 'session') return `session\n${credentials.cookie}\n${credentials.header}`
  return `${credentials.kind}\n${credentials.kind === 'cookie' ? credentials.cookie : credentials.code}`
}

/** Looks up who calls and which collection is meant. Passed in, because http does not know the store. */
export interface AccessChecks {
  /** Checks credentials. Throws `unauthenticated`, or `rate_limited`, with the text to send. */
  authenticate(credentials: Credentials, address?: string): Promise<Identity>
  /** Counts the call. Throws `rate_limited` when the identity has made too many. */
  limit?(identity: Identity, collection: FoundCollection | undefined): Promise<void>
  /** Whether calls of the identity have a rate limit there. */
  isLimited?(identity: Identity, collection: FoundCollection | undefined): boolean
  /** Finds a collection by its name, in any case; undefined for unknown and for illegal names. */
  findCollection(name: string): Promise<FoundCollection | undefined>
  /** Finds a collection by name or id. Calls to models use it: without a name they mean the home collection of their key. */
  findPlace?(of: string | number): Promise<FoundPlace | undefined>
  /** Finds a collection and a task of it in one query. The task is undefined when the collection has no such task. */
  findTask(
    collection: string,
    task: string,
  ): Promise<{ collection: FoundCollection; task: FoundTask | undefined } | undefined>
}

export interface Admission {
  identity: Identity | undefined
  collection: FoundCollection | undefined
  task: FoundTask | undefined
}

/** Returns what was found if the identity covers it. Foreign things look like missing ones. */
export const coveredOnly = <Found extends { id: number }>(
  identity: Identity | undefined,
  found: Found | undefined,
): Found | undefined => (found && identity && covers(identity, found.id) ? found : undefined)

/** The 404 for a collection that does not exist or that the token does not cover. Both read the same. */
export const collectionNotFound = (message = 'Collection not found'): AppError =>
  new AppError('not_found', message, { hint: 'Check the spelling, and that your token covers it: jetty whoami.' })

/** Throws a 403 when the access level of an identity is too low. */
export const requireLevel = (identity: Identity, needed: Endpoint['access']): void => {
  if (identity.access === 'WORKER' && needed !== 'worker' && needed !== 'none') {
    throw new AppError('forbidden', 'This key is for workers: it takes jobs, and nothing else', {
      hint: 'Use a key with access level READ or WRITE for this call.',
    })
  }
  if (needed === 'admin' && identity.access !== 'ADMIN') throw new AppError('forbidden', 'Admin access required')
  if (needed === 'write' && identity.access === 'READ') {
    throw new AppError('forbidden', 'Access level WRITE required.')
  }
  if (needed === 'worker' && identity.access === 'READ') {
    throw new AppError('forbidden', 'Access level WORKER or WRITE required')
  }
}

const collectionName = (endpoint: Endpoint, params: Record<string, string>): string | undefined => {
  if (endpoint.collection === 'path') return params.collection
  return endpoint.collection === 'storage_path' ? params.path?.split('/', 1)[0] : undefined
}

const missing = (endpoint: Endpoint, params: Record<string, string>): AppError =>
  collectionNotFound(endpoint.collectionMissing.replace(/\{(\w+)\}/g, (whole, name: string) => params[name] ?? whole))

const findPlace = async (checks: AccessChecks, endpoint: Endpoint, name: string, task: string) =>
  endpoint.task ? checks.findTask(name, task) : { collection: await checks.findCollection(name), task: undefined }

/**
 * Decides from the endpoint's declaration whether a call is allowed. Checks in this order: 401, 429 for too many calls,
 * 404 for a collection that is unknown or out of scope, 403 for an access level that is too low. Endpoints without a
 * required token admit callers to any collection; the handler decides what is public.
 */
export const admit = async (
  checks: AccessChecks,
  endpoint: Endpoint,
  params: Record<string, string>,
  credentials: Credentials | undefined,
  address?: string,
): Promise<Admission> => {
  const { access } = endpoint
  if (credentials === undefined && access !== 'none' && access !== 'optional') {
    throw new AppError('unauthenticated', 'Not authenticated')
  }
  const name = collectionName(endpoint, params)
  const [identity, place] = await Promise.all([
    credentials === undefined || access === 'none' ? undefined : checks.authenticate(credentials, address),
    name === undefined ? undefined : findPlace(checks, endpoint, name, params.task ?? ''),
  ])
  if (identity && checks.limit) await checks.limit(identity, place?.collection)
  const collection =
    access === 'optional' || access === 'none' ? place?.collection : coveredOnly(identity, place?.collection)
  if (name !== undefined && !collection) {
    if (access === 'optional' && !identity) throw new AppError('unauthenticated', 'Not authenticated')
    throw missing(endpoint, params)
  }
  if (identity) requireLevel(identity, access)
  return { identity, collection, task: place?.task }
}

/** The caller of a model and the collection that the call counts for. */
export interface PlacedAdmission {
  identity: Identity
  collection: FoundPlace
}

const unnamed = (identity: Identity): AppError =>
  new AppError(
    'bad_request',
    identity.kind === 'admin'
      ? 'The admin token covers every collection: name the one that is meant'
      : `This key covers ${identity.collectionIds.length} collections and has no home collection: name the one that is meant`,
    {
      hint:
        'Send the header X-Jetty-Collection, or "jetty": {"collection": "…"} in the body. ' +
        'PUT /api/v1/api-keys/{id} {"home_collection": "…"} sets the default of a key.',
    },
  )

const homeCollection = (identity: Identity): number => {
  const id = identity.kind === 'admin' ? undefined : homeOf(identity)
  if (id === undefined) throw unnamed(identity)
  return id
}

/**
 * Admits a call that names its collection in a header or its body, or means the home of its key: 401, then 400 when no
 * collection is named and the key has no home, then 429, 404, and 403 as in `admit`. `likely` is the collection to look
 * up together with the key when none is named.
 */
export const admitPlaced = async (
  checks: AccessChecks,
  endpoint: Endpoint,
  name: string | undefined,
  credentials: Credentials | undefined,
  address: string | undefined,
  likely?: number,
): Promise<PlacedAdmission> => {
  if (credentials === undefined) throw new AppError('unauthenticated', 'Not authenticated')
  const guess = name ?? likely
  const [identity, guessed] = await Promise.all([
    checks.authenticate(credentials, address),
    guess === undefined ? undefined : checks.findPlace?.(guess),
  ])
  const meant = name ?? homeCollection(identity)
  const collection = meant === guess ? guessed : await checks.findPlace?.(meant)
  if (checks.limit) await checks.limit(identity, collection)
  const covered = coveredOnly(identity, collection)
  if (!covered) throw collectionNotFound(endpoint.collectionMissing)
  requireLevel(identity, endpoint.access)
  return { identity, collection: covered }
}
