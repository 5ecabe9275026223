import type { Dispatcher } from 'undici'
import { AppError, messageOf } from './errors.ts'
import { type GuardOptions, makeGuardedAgent } from './net-agent.ts'
import { acceptedEncodings, checkAnnouncedLength, readBody } from './net-body.ts'

export { type AllowRule, parseAllowRules } from './net-addresses.ts'
export { type GuardOptions, type LookUp, makeGuardedAgent } from './net-agent.ts'

export interface OutgoingRequest {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  /** Most bytes of the answer, unpacked. */
  maxBytes?: number
  /** For the whole of it: name look-up, redirects and the last byte. */
  timeoutSeconds?: number
  signal?: AbortSignal
}

/** An answer, read to its end. Header names are in lower case; `url` is where the redirects ended. */
export interface OutgoingResponse {
  status: number
  headers: Record<string, string>
  url: string
  bytes(): Promise<Uint8Array>
  text(): Promise<string>
}

export type Fetch = (url: string, request?: OutgoingRequest) => Promise<OutgoingResponse>

export interface FetcherOptions extends GuardOptions {
  /** Where a request names none: 32 MiB. */
  maxBytes?: number
  /** Where a request names none: 60. */
  timeoutSeconds?: number
  /** A guarded agent to share; one of its own otherwise. */
  agent?: Dispatcher
}

const maxRedirects = 5
const redirectStatuses = new Set([301, 302, 303, 307, 308])
// They belong to the connection, which is ours; a foreign `host` would also ask a server for another one's pages.
const ownHeaders = /^(host|connection|content-length|transfer-encoding|keep-alive|upgrade|expect|te|trailer|proxy-.*)$/
const credentialHeader = /auth|cookie|token|secret|signature|api-?key|access-?key/

interface Hop {
  url: URL
  method: string
  headers: Record<string, string>
  body: string | Uint8Array | undefined
}

const parseTarget = (text: string, base?: URL): URL => {
  if (!URL.canParse(text, base?.href)) {
    throw new AppError('parameter_invalid', `'${text.slice(0, 200)}' is not a URL`, {
      hint: 'Write it whole, for example https://example.com/path.',
    })
  }
  const url = new URL(text, base)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new AppError('address_refused', `A URL that begins with '${url.protocol}' is not called, only http and https`)
  }
  if (url.username || url.password) {
    throw new AppError('address_refused', `The URL of '${url.host}' holds a user name or password, which is not sent`, {
      hint: 'Send credentials in a header, and keep them in the environment of the collection.',
    })
  }
  url.hash = ''
  return url
}

/** A URL for messages: the query is left out, since it is where keys are put. */
const shown = (url: URL): string => `${url.origin}${url.pathname}`

const redirected = (hop: Hop, status: number, location: string): Hop => {
  const url = parseTarget(location, hop.url)
  const toGet = status === 303 ? hop.method !== 'HEAD' : status < 303 && hop.method === 'POST'
  const kept = Object.entries(hop.headers).filter(
    ([name]) =>
      (url.origin === hop.url.origin || !credentialHeader.test(name)) && (!toGet || !name.startsWith('content-')),
  )
  return {
    url,
    method: toGet ? 'GET' : hop.method,
    headers: Object.fromEntries(kept),
    body: toGet ? undefined : hop.body,
  }
}

const firstHop = (url: string, request: OutgoingRequest): Hop => {
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
  }
}

const certificateCodes = /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/

/** Whatever undici or Node threw, as an error that says what failed and whether trying again can help. */
const asNetworkError = (thrown: unknown, { method, url }: Hop): AppError => {
  for (let error = thrown; error instanceof Error; error = error.cause) if (error instanceof AppError) return error
  const code = String((thrown as { code?: unknown } | undefined)?.code ?? '')
  const what = `${method} ${shown(url)}`
  const cause = thrown
  if (code === 'UND_ERR_CONNECT_TIMEOUT') {
    // Nothing was sent yet, so asking again cannot do a thing twice.
    return new AppError('timed_out', `${what}: the connection was not made in time`, { retryable: true, cause })
  }
  if (code === 'UND_ERR_INVALID_ARG' || thrown instanceof TypeError) {
    return new AppError('parameter_invalid', `${what} cannot be sent: ${messageOf(thrown)}`, { cause })
  }
  if (certificateCodes.test(code)) {
    return new AppError('network_failed', `${what}: the certificate is not trusted: ${messageOf(thrown)}`, {
      hint: 'For a private authority, start the server with NODE_EXTRA_CA_CERTS=<file>.',
      retryable: false,
      cause,
    })
  }
  return new AppError('network_failed', `${what} failed: ${messageOf(thrown)}`, { cause })
}

const decodeText = (bytes: Uint8Array, contentType: string | undefined): string => {
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType ?? '')?.[1]
  try {
    return new TextDecoder(charset ?? 'utf-8').decode(bytes)
  } catch {
    return new TextDecoder().decode(bytes)
  }
}

/** Sends one hop and reads its answer; a redirect comes back as the next hop. */
const send = async (agent: Dispatcher, hop: Hop, maxBytes: number, signal: AbortSignal) => {
  const { statusCode, headers, body } = await agent.request({
    origin: hop.url.origin,
    path: `${hop.url.pathname}${hop.url.search}`,
    method: hop.method as Dispatcher.HttpMethod,
    headers: hop.headers,
    body: hop.body ?? null,
    signal,
    // One clock for the whole request ends it instead.
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  try {
    const { location } = headers
    if (redirectStatuses.has(statusCode) && typeof location === 'string') return redirected(hop, statusCode, location)
    const flat = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
    )
    const bodyless = hop.method === 'HEAD' || statusCode === 204 || statusCode === 304
    const contentEncoding = bodyless ? '' : (flat['content-encoding'] ?? '')
    const limits = { contentEncoding, maxBytes, from: shown(hop.url) }
    if (!bodyless) checkAnnouncedLength(flat['content-length'], limits)
    const bytes = await readBody(body, limits)
    if (contentEncoding) {
      delete flat['content-encoding']
      delete flat['content-length']
    }
    return { status: statusCode, headers: flat, url: hop.url.href, bytes }
  } finally {
    body.on('error', () => {}).destroy()
  }
}

/** Rejects when the time is over or the caller's signal fires, and tells undici to stop. */
const makeClock = (seconds: number, caller: AbortSignal | undefined, target: URL) => {
  const control = new AbortController()
  let reject: (reason: AppError) => void
  const stopped = new Promise<never>((_, rejecting) => {
    reject = rejecting
  })
  stopped.catch(() => {})
  const stop = (reason: AppError) => {
    reject(reason)
    control.abort(reason)
  }
  const onAbort = () =>
    stop(new AppError('cancelled', `The request to ${shown(target)} was interrupted`, { cause: caller?.reason }))
  const timer = setTimeout(
    () => stop(new AppError('timed_out', `The request to ${shown(target)} took longer than ${seconds} s`)),
    seconds * 1000,
  )
  if (caller?.aborted) onAbort()
  caller?.addEventListener('abort', onAbort, { once: true })
  const clear = () => {
    clearTimeout(timer)
    caller?.removeEventListener('abort', onAbort)
  }
  return { signal: control.signal, stopped, clear }
}

/**
 * Makes the one way out to the network: http and https, public addresses and those that a rule allows, bounded in
 * size and time, up to five redirects, each checked like the first. Any status is an answer. Throws `address_refused`,
 * `network_failed` (can be tried again), `timed_out`, `too_large`, `parameter_invalid` or `cancelled`.
 */
export const makeFetcher = (options: FetcherOptions): Fetch => {
  const agent = options.agent ?? makeGuardedAgent(options)

  return async (url, request = {}) => {
    let hop = firstHop(url, request)
    const clock = makeClock(request.timeoutSeconds ?? options.timeoutSeconds ?? 60, request.signal, hop.url)
    const maxBytes = request.maxBytes ?? options.maxBytes ?? 32 * 1024 * 1024
    try {
      for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
        // undici does not look at the signal while it still connects, hence the race.
        const answer = await Promise.race([send(agent, hop, maxBytes, clock.signal), clock.stopped])
        if ('status' in answer) {
          const { bytes, ...response } = answer
          return {
            ...response,
            bytes: async () => bytes,
            text: async () => decodeText(bytes, response.headers['content-type']),
          }
        }
        hop = answer
      }
      throw new AppError('upstream_failed', `${url.split('?', 1)[0]} redirected more than ${maxRedirects} times`)
    } catch (error) {
      throw asNetworkError(error, hop)
    } finally {
      clock.clear()
    }
  }
}
