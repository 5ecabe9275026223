import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AppError, messageOf } from '../lib/errors.ts'
import { asExhausted } from '../lib/exhaustion.ts'
import type { LookUp } from '../lib/net/net.ts'
import { sameText } from '../lib/secrets/crypto.ts'
import { inside } from '../model/runbooks/sandbox.ts'
import type { Models } from '../providers/provider.ts'
import { chatFormat } from '../upstream/formats/openai.ts'
import { makeKeyRedactors } from '../upstream/redact/key-redactor.ts'
import { type Dial, makeForwardProxy } from './forward-proxy.ts'
import { insideEnv, providersFor } from './inside-env.ts'
import { type GatewayLimits, mostCalls } from './limits.ts'
import { makeMeter } from './meter.ts'
import { makeBackend } from './models/backend.ts'
import { findEndpoint, formatFor, type GatewayProvider } from './models/endpoints.ts'
import { type CallContext, callModel } from './models/model-call.ts'
import { callScripted } from './models/scripted-call.ts'
import { tellError } from './models/told-error.ts'
import { makeByteRoom } from './request-body.ts'
import type { GatewayOptions, OpenGateway } from './sandbox-gateway.ts'

export interface SandboxGatewayDeps {
  models: Models
  limits: GatewayLimits
  /** For tests; the system's resolver and network otherwise. */
  lookup?: LookUp
  dial?: Dial
  /** The addresses of this machine. */
  own?: () => readonly string[]
}

const headerBytes = 64 * 1024
const headersSeconds = 20
const requestSeconds = 120
/** Longer than agents keep idle connections, so that none is closed while a request is on its way. */
const keepAliveSeconds = 120

/** The token, from any header in which an SDK sends its key. */
const tokenOf = ({ headers }: IncomingMessage, query: URLSearchParams): string | undefined => {
  const bearer = /^bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]
  const plain = headers['x-api-key'] ?? headers['x-goog-api-key'] ?? headers['api-key']
  return (typeof plain === 'string' && plain ? plain : undefined) ?? bearer?.trim() ?? query.get('key') ?? undefined
}

/** The allowed providers whose key exists, and the agent's own in any case, so that its error is reported. */
const servedProviders = async (
  models: Models,
  { caller, provider }: GatewayOptions,
  allowed: readonly GatewayProvider[],
): Promise<GatewayProvider[]> => {
  const isThere = async (one: GatewayProvider): Promise<boolean> => {
    if (one === provider) return true
    return models.account({ provider: one }, caller).then(
      () => true,
      () => false,
    )
  }
  const there = await Promise.all(allowed.map(isThere))
  return allowed.filter((_, index) => there[index])
}

/** The path of a request to the gateway itself, which may be written as a proxy request. */
const ownPath = (url: string): string | undefined => {
  if (url.startsWith('/')) return url
  const own = [inside.gatewayUrl, inside.gatewayUrl.replace('127.0.0.1', 'localhost')]
  const base = own.find((one) => url.startsWith(`${one}/`))
  return base === undefined ? undefined : url.slice(base.length)
}

/** Makes the function that opens gateways: each sandbox gets its own, which nothing else can reach. */
export const makeOpenGateway =
  ({ models, limits, lookup, dial, own }: SandboxGatewayDeps): OpenGateway =>
  async (options) => {
    const { socket, token, provider, signal } = options
    signal.throwIfAborted()
    const allowed = providersFor(provider, options.declared)
    const meter = makeMeter(options)
    let lastTrafficMs = performance.now()
    const moved = () => {
      lastTrafficMs = performance.now()
    }
    const context: CallContext = {
      models,
      options,
      limits,
      meter,
      backend: makeBackend(),
      room: makeByteRoom(limits.bodyBytes * 2),
      redactorFor: makeKeyRedactors(),
      moved,
    }
    const cut = new AbortController()
    const working = new Set<Promise<void>>()
    const sockets = new Set<Socket>()
    let calls = 0
    const forward = makeForwardProxy({
      network: options.network,
      allowedHosts: options.caller.allowedHosts,
      limits,
      refuseHost: meter.refuseHost,
      moved,
      ...(lookup && { lookup }),
      ...(dial && { dial }),
      ...(own && { own }),
    })

    const forModel = async (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
      const [pathname = '', search = ''] = path.split(/\?(.*)/s)
      const query = new URLSearchParams(search)
      const format = formatFor(pathname)
      if (pathname === '/') return void response.writeHead(200).end() // some agents check that the server is up
      const given = tokenOf(request, query)
      if (given === undefined || !sameText(given, token)) {
        return tellError(response, format, 401, 'This is not the key of this runbook')
      }
      const endpoint = findEndpoint(request.method ?? '', pathname, provider)
      if (!endpoint)
        return tellError(response, format, 404, `${request.method} ${pathname} is not passed on by this gateway`)
      if (!allowed.includes(endpoint.provider)) {
        const text = `This runbook may not call ${endpoint.provider}: it would have to declare its key among its secrets`
        return tellError(response, format, 403, text)
      }
      if (calls >= mostCalls) return tellError(response, format, 429, 'Too many concurrent calls of models')
      query.delete('key')
      const text = query.toString()
      const leaving = new AbortController()
      response.once('close', () => response.writableFinished || leaving.abort())
      const call = {
        request,
        response,
        endpoint,
        query: text && `?${text}`,
        signal: AbortSignal.any([cut.signal, leaving.signal]),
      }
      calls++
      await (endpoint.provider === 'scripted' ? callScripted(context, call) : callModel(context, call)).finally(() => {
        calls--
      })
    }

    const server = createServer({
      maxHeaderSize: headerBytes,
      headersTimeout: headersSeconds * 1000,
      requestTimeout: requestSeconds * 1000,
      keepAliveTimeout: keepAliveSeconds * 1000,
      connectionsCheckingInterval: 5_000,
      noDelay: true,
    })
    server.maxConnections = limits.connections
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    })
    server.on('clientError', (_, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')
      else socket.destroy()
    })
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      request.on('error', () => {})
      response.on('error', () => {})
      const path = ownPath(request.url ?? '')
      const work = path === undefined ? forward.request(request, response) : forModel(request, response, path)
      const watched = work
        .catch((error) => tellError(response, chatFormat, 500, `The gateway failed: ${messageOf(error)}`))
        .finally(() => working.delete(watched))
      working.add(watched)
    })
    server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      forward.connect(request, socket, head)
    })

    const cutOff = () => {
      if (cut.signal.aborted) return
      cut.abort(new AppError('cancelled', 'The gateway of the sandbox was closed'))
      forward.close()
      server.close()
      for (const socket of sockets) socket.destroy()
    }
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(asExhausted(error, 'The gateway of a sandbox cannot be opened')))
      server.listen(socket, resolve)
    })
    server.on('error', () => {})
    signal.addEventListener('abort', cutOff, { once: true })
    if (signal.aborted) cutOff()

    return {
      env: insideEnv(await servedProviders(models, options, allowed), token),
      usage: meter.usage,
      get lastTrafficMs() {
        return lastTrafficMs
      },
      async close() {
        signal.removeEventListener('abort', cutOff)
        cutOff()
        while (working.size > 0) await Promise.all(working)
        await meter.settled()
      },
    }
  }
