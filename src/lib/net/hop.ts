import type { Dispatcher } from 'undici'
import { AppError, messageOf } from '../errors.ts'
import { acceptedEncodings } from './body.ts'
import type { OutgoingRequest } from './outgoing.ts'

const redirectStatuses = new Set([301, 302, 303, 307, 308])
// Connection headers are set here; a foreign `host` would also request another site's pages.
const ownHeaders = /^(host|connection|content-length|transfer-encoding|keep-alive|upgrade|expect|te|trailer|proxy-.*)$/
const credentialHeader = /auth|cookie|token|secret|signature|api-?key|access-?key/

/** One request in a chain of redirects; header names in lower case. */
export interface Hop {
  url: URL
  method: string
  headers: Record<string, string>
  body: string | Uint8Array | undefined
  /** Headers that hold a credential whatever their name is, in lower case. */
  credentialHeaders: ReadonlySet<string>
}

const parseTarget = (text: string, base?: URL): URL => {
  if (!URL.canParse(text, base?.href)) {
    throw new AppError('parameter_invalid', `'${text.slice(0, 200)}' is not a URL`, {
      hint: 'Write the full URL, for example https://example.com/path.',
    })
  }
  const url = new URL(text, base)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new AppError(
      'address_refused',
      `A URL that begins with '${url.protocol}' is not supported, only http and https`,
    )
  }
  if (url.username || url.password) {
    throw new AppError(
      'address_refused',
      `The URL of '${url.host}' contains a user name or password, which is never sent`,
      {
        hint: 'Send credentials in a header, and keep them in the environment of the collection.',
      },
    )
  }
  url.hash = ''
  return url
}

/** URL for messages, without the query, which may hold keys. */
export const shown = (url: URL): string => `${url.origin}${url.pathname}`

const bodyWouldLeave = (from: URL, to: URL): AppError =>
  new AppError(
    'upstream_failed',
    `${shown(from)} redirects to another origin, ${to.origin}, which would get the body of the request`,
    { hint: `If that is right, send the request to ${to.origin} in the first place.` },
  )

/**
 * Follows a redirect: returns the next request. Credentials are only sent to the origin they were meant for. So is the body,
 * which may hold secrets as well: another origin gets none with `withoutBody`, else the redirect is an error.
 */
export const redirected = (
  hop: Hop,
  status: number,
  location: unknown,
  { withoutBody = false } = {},
): Hop | undefined => {
  if (!redirectStatuses.has(status) || typeof location !== 'string') return undefined
  const url = parseTarget(location, hop.url)
  const toGet = status === 303 ? hop.method !== 'HEAD' : status < 303 && hop.method === 'POST'
  const isElsewhere = url.origin !== hop.url.origin
  if (isElsewhere && !toGet && hop.body !== undefined && !withoutBody) throw bodyWouldLeave(hop.url, url)
  const dropsBody = toGet || isElsewhere
  const kept = Object.entries(hop.headers).filter(
    ([name]) =>
      !(isElsewhere && (credentialHeader.test(name) || hop.credentialHeaders.has(name))) &&
      !(dropsBody && name.startsWith('content-')),
  )
  return {
    url,
    method: toGet ? 'GET' : hop.method,
    headers: Object.fromEntries(kept),
    body: dropsBody ? undefined : hop.body,
    credentialHeaders: hop.credentialHeaders,
  }
}

/** Builds the first request. Throws for an invalid or forbidden URL. */
export const firstHop = (url: string, request: OutgoingRequest): Hop => {
  const named = Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const)
  return {
    url: parseTarget(url),
    method: (request.method ?? 'GET').toUpperCase(),
    headers: {
      accept: '*/*',
      'accept-encoding': acceptedEncodings,
      'user-agent': 'jetty',
      ...Object.fromEntries(named.filter(([name]) => !ownHeaders.test(name))),
    },
    body: request.body,
    credentialHeaders: new Set(request.credentialHeaders?.map((name) => name.toLowerCase())),
  }
}

/** Bytes of an answer that wait for their reader, as they arrived: in chunks of one byte they take 100 times as much. */
const waitingBytes = 16 * 1024

/** Sends one hop. A timeout of 0 s disables undici's own: one timer for the whole request replaces it. */
export const sendHop = (agent: Dispatcher, hop: Hop, request: OutgoingRequest, signal: AbortSignal) =>
  agent.request({
    origin: hop.url.origin,
    path: `${hop.url.pathname}${hop.url.search}`,
    method: hop.method as Dispatcher.HttpMethod,
    headers: hop.headers,
    body: hop.body ?? null,
    signal,
    headersTimeout: (request.firstByteSeconds ?? 0) * 1000,
    bodyTimeout: (request.idleSeconds ?? 0) * 1000,
    highWaterMark: waitingBytes,
  })

const certificateCodes = /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/

/**
 * Turns whatever undici or Node threw into an error that says what failed and whether a retry can help. `name` is shown
 * instead of the URL.
 */
export const asNetworkError = (
  thrown: unknown,
  { method, url, name }: Pick<Hop, 'method' | 'url'> & { name?: string },
): AppError => {
  for (let error = thrown; error instanceof Error; error = error.cause) if (error instanceof AppError) return error
  const code = String((thrown as { code?: unknown } | undefined)?.code ?? '')
  const what = name ?? `${method} ${shown(url)}`
  const cause = thrown
  if (code === 'UND_ERR_CONNECT_TIMEOUT') {
    // Nothing was sent yet, so a retry is safe.
    return new AppError('timed_out', `${what}: the connection timed out`, { retryable: true, cause })
  }
  if (code === 'UND_ERR_HEADERS_TIMEOUT') {
    return new AppError('timed_out', `${what}: the response did not begin in time`, { cause })
  }
  if (code === 'UND_ERR_BODY_TIMEOUT') {
    return new AppError('timed_out', `${what}: the response stopped before its end`, { retryable: true, cause })
  }
  if (code === 'UND_ERR_INVALID_ARG' || thrown instanceof TypeError) {
    return new AppError('parameter_invalid', `${what} cannot be sent: ${messageOf(thrown)}`, { cause })
  }
  if (certificateCodes.test(code)) {
    return new AppError('network_failed', `${what}: the certificate is not trusted: ${messageOf(thrown)}`, {
      hint: 'For a private certificate authority, start the server with NODE_EXTRA_CA_CERTS=<file>.',
      retryable: false,
      cause,
    })
  }
  return new AppError('network_failed', `${what} failed: ${messageOf(thrown)}`, { cause })
}
