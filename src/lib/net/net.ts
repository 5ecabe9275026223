import type { Dispatcher } from 'undici'
import { AppError } from '../errors.ts'
import { type GuardOptions, makeGuardedAgent } from './agent.ts'
import { checkAnnouncedLength, readUnpackedBody } from './body.ts'
import { asNetworkError, firstHop, type Hop, redirected, sendHop, shown } from './hop.ts'
import { requireAllowedHost } from './hosts.ts'
import { makeClock } from './open.ts'
import type { OutgoingRequest, OutgoingResponse } from './outgoing.ts'

export { type AllowRule, parseAllowRules } from './addresses.ts'
export { type GuardOptions, type LookUp, makeGuardedAgent } from './agent.ts'

export type Fetch = (url: string, request?: OutgoingRequest) => Promise<OutgoingResponse>

export interface FetcherOptions extends GuardOptions {
  /** Default for requests that name none: 32 MiB. */
  maxBytes?: number
  /** Default for requests that name none: 60. */
  timeoutSeconds?: number
  /** Guarded agent to share; default: one of its own. */
  agent?: Dispatcher
}

const maxRedirects = 5
const decodeText = (bytes: Uint8Array, contentType: string | undefined): string => {
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType ?? '')?.[1]
  try {
    return new TextDecoder(charset ?? 'utf-8').decode(bytes)
  } catch {
    return new TextDecoder().decode(bytes)
  }
}

/** Sends one hop and reads its answer; a redirect returns the next hop. */
const send = async (agent: Dispatcher, hop: Hop, request: OutgoingRequest, maxBytes: number, signal: AbortSignal) => {
  const { statusCode, headers, body } = await sendHop(agent, hop, request, signal)
  try {
    const how = { withoutBody: request.redirectWithoutBody }
    const next = request.followRedirects === false ? undefined : redirected(hop, statusCode, headers.location, how)
    if (next) return next
    const flat = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
    )
    const bodyless = hop.method === 'HEAD' || statusCode === 204 || statusCode === 304
    const contentEncoding = bodyless ? '' : (flat['content-encoding'] ?? '')
    const limits = { contentEncoding, maxBytes, from: shown(hop.url), room: request.room }
    if (!bodyless) checkAnnouncedLength(flat['content-length'], limits)
    const bytes = await readUnpackedBody(body, limits)
    if (contentEncoding) {
      delete flat['content-encoding']
      delete flat['content-length']
    }
    return { status: statusCode, headers: flat, url: hop.url.href, bytes }
  } finally {
    body.on('error', () => {}).destroy()
  }
}

/**
 * Makes the only function for outgoing requests: http and https, public addresses and those allowed by a rule, bounded
 * in size and time, with up to five redirects, each checked like the first. Any status is an answer. Throws
 * `address_refused`, `network_failed` (can be retried), `timed_out`, `too_large`, `parameter_invalid` or `cancelled`.
 */
export const makeFetcher = (options: FetcherOptions): Fetch => {
  const agent = options.agent ?? makeGuardedAgent(options)

  return async (url, request = {}) => {
    let hop = firstHop(url, request)
    const clock = makeClock(request.timeoutSeconds ?? options.timeoutSeconds ?? 60, request.signal, hop.url)
    const maxBytes = request.maxBytes ?? options.maxBytes ?? 32 * 1024 * 1024
    try {
      for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
        requireAllowedHost(hop.url, request.allowedHosts)
        // undici ignores the signal while it connects, hence the race.
        const answer = await Promise.race([send(agent, hop, request, maxBytes, clock.signal), clock.stopped])
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
