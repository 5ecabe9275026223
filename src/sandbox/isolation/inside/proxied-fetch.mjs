// Runs inside a sandbox: sends the requests of `fetch`, `http` and `https` through the proxy of the sandbox. Node follows
// HTTPS_PROXY by itself only from version 22.21 on. Plain JavaScript without dependencies.
import http from 'node:http'
import https from 'node:https'
import { Readable } from 'node:stream'
import { connect as secure } from 'node:tls'

const mostRedirects = 20
const withoutBody = new Set([101, 204, 205, 304])

const isOwn = (host) => host === 'localhost' || host === '127.0.0.1' || host === '::1'

/** A connection through the proxy to a host, encrypted on top. */
const tunnel = (proxy, options, done) => {
  const authority = `${options.host.includes(':') ? `[${options.host}]` : options.host}:${options.port ?? 443}`
  const asked = http.request({
    ...proxy,
    method: 'CONNECT',
    path: authority,
    headers: { host: authority },
    agent: false,
  })
  asked.once('error', done)
  asked.once('connect', (response, socket, head) => {
    if (response.statusCode === 200)
      return done(null, secure({ ...options, socket, servername: options.servername || options.host }))
    let said = head.toString()
    socket.setEncoding('utf8').on('data', (text) => {
      said += text
    })
    socket
      .on('error', () => {})
      .once('close', () => done(new Error(said.trim() || `the proxy answered ${response.statusCode}`)))
  })
  asked.end()
}

/** Makes what Node sends its requests with go through the proxy. */
const installAgents = (proxy) => {
  class Tunnels extends https.Agent {
    createConnection(options, done) {
      if (isOwn(options.host)) return super.createConnection(options, done)
      tunnel(proxy, options, done)
      return undefined
    }
  }
  https.globalAgent = new Tunnels({ keepAlive: false })
  const send = http.request
  http.request = (...given) => {
    const target = typeof given[0] === 'string' || given[0] instanceof URL ? new URL(given[0]) : undefined
    const more = target ? (typeof given[1] === 'object' ? given[1] : {}) : (given[0] ?? {})
    const host = (target?.hostname ?? more.hostname ?? more.host ?? 'localhost').replace(/^\[|\]$/g, '')
    if (isOwn(host) || more.socketPath || more.createConnection || (more.protocol ?? target?.protocol) === 'https:')
      return send(...given)
    const port = target?.port || more.port || 80
    const authority = `${host.includes(':') ? `[${host}]` : host}${String(port) === '80' ? '' : `:${port}`}`
    const path = more.path ?? (target ? target.pathname + target.search : '/')
    const onResponse = given.find((one) => typeof one === 'function')
    const headers = { host: authority, ...more.headers }
    return send(
      { ...more, ...proxy, hostname: proxy.host, path: `http://${authority}${path}`, headers, agent: undefined },
      onResponse,
    )
  }
  http.get = (...given) => {
    const request = http.request(...given)
    request.end()
    return request
  }
}

const sendOnce = (request, body) =>
  new Promise((resolve, reject) => {
    const url = new URL(request.url)
    const { request: send } = url.protocol === 'https:' ? https : http
    const headers = { 'accept-encoding': 'identity', ...Object.fromEntries(request.headers) }
    if (body.length > 0) headers['content-length'] = String(body.length)
    const asked = send(url, { method: request.method, headers, signal: request.signal }, resolve)
    asked.once('error', reject)
    asked.end(body)
  })

/** The request that a redirect asks for, as browsers understand it. */
const redirected = (request, body, status, location) => {
  const url = new URL(location, request.url)
  const isGet = status === 303 || ((status === 301 || status === 302) && request.method === 'POST')
  const headers = new Headers(request.headers)
  if (url.origin !== new URL(request.url).origin) for (const name of ['authorization', 'cookie']) headers.delete(name)
  if (isGet) for (const name of ['content-type', 'content-length']) headers.delete(name)
  const method = isGet && request.method !== 'HEAD' ? 'GET' : request.method
  return [
    new Request(url, { method, headers, signal: request.signal, redirect: request.redirect }),
    isGet ? Buffer.alloc(0) : body,
  ]
}

const fetchThroughProxy = async (input, init) => {
  let request = new Request(input, init)
  let body = Buffer.from(await request.arrayBuffer())
  for (let count = 0; ; count++) {
    let answer
    try {
      answer = await sendOnce(request, body)
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason
      throw new TypeError(`fetch failed: ${error.message}`, { cause: error })
    }
    const { statusCode: status, statusMessage: statusText, rawHeaders } = answer
    const headers = new Headers()
    for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at], rawHeaders[at + 1])
    const location = headers.get('location')
    if ([301, 302, 303, 307, 308].includes(status) && location && request.redirect === 'follow') {
      answer.resume()
      if (count >= mostRedirects) throw new TypeError('fetch failed: too many redirects')
      ;[request, body] = redirected(request, body, status, location)
      continue
    }
    const isEmpty = withoutBody.has(status) || request.method === 'HEAD'
    if (isEmpty) answer.resume()
    const response = new Response(isEmpty ? null : Readable.toWeb(answer), { status, statusText, headers })
    Object.defineProperties(response, { url: { value: request.url }, redirected: { value: count > 0 } })
    return response
  }
}

const { hostname: host, port } = new URL(process.env.HTTPS_PROXY)
installAgents({ host, port: Number(port) })
globalThis.fetch = fetchThroughProxy
