import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../lib/errors.ts'
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

/**
 * Reads the credentials of a request. An Authorization header always wins; some calls may bring it as `x-api-key`. Both
 * halves of a session count everywhere, but a page of another server may change nothing. The cookie alone counts only where the
 * endpoint says so, and only for pages of this server: browsers also send it with requests of other ports of the host.
 */
export const credentialsOf = (
  { method, incoming: { headers } }: Pick<Exchange, 'method' | 'incoming'>,
  { apiKeyHeader, cookieReads }: Endpoint,
  publicOrigin: string | undefined,
): Credentials | undefined => {
  const { authorization, 'x-api-key': key } = headers
  if (authorization) return { kind: 'token', header: authorization }
  if (apiKeyHeader && key !== undefined) return { kind: 'token', header: `Bearer ${key}` }
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
