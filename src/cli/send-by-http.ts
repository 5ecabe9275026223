// Requests of commands by node:http: to load what Node needs for `fetch` takes 70 ms, as long as the rest of a command.
import { type ClientRequest, type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { TextAnswer, TextRequest } from '../client/request.ts'

const heard = new WeakSet<Socket>()

/**
 * Keeps a connection that breaks after the answer from ending the process. When a server has answered before it has read
 * the body, Node 20 takes its own listener from the connection, and still writes the rest.
 */
export const hearLateErrors = (request: ClientRequest): ClientRequest =>
  request.on('socket', (socket) => {
    if (heard.has(socket)) return // a connection that is kept carries many requests
    heard.add(socket)
    socket.on('error', () => {})
  })

/** The limits of Node's `fetch`. */
const connectMs = 10_000
const silentMs = 300_000

const timedOut = (what: string): Error => Object.assign(new Error(what), { code: 'ETIMEDOUT' })

const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status)

const limitTimes = (request: ClientRequest): void => {
  const late = setTimeout(() => request.destroy(timedOut('The server did not take the connection')), connectMs)
  request.once('socket', (socket) =>
    socket.connecting ? socket.once('connect', () => clearTimeout(late)) : clearTimeout(late),
  )
  request.once('close', () => clearTimeout(late))
  request.setTimeout(silentMs, () => request.destroy(timedOut('The server sent nothing')))
}

/** TLS is loaded where it is needed. */
const begin = (target: string, options: RequestOptions): ClientRequest =>
  target.startsWith('https:')
    ? process.getBuiltinModule('node:https').request(target, options)
    : requestHttp(target, options)

const answered = (request: ClientRequest, body: string | null): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    request.once('response', resolve).on('error', reject)
    request.end(body ?? undefined)
  })

const textOf = async (message: IncomingMessage): Promise<string> => {
  const bytes = await buffer(message)
  const isPacked = message.headers['content-encoding'] === 'gzip' && bytes.length > 0
  return new TextDecoder().decode(isPacked ? await promisify(gunzip)(bytes) : bytes)
}

/** Sends a request and reads the whole answer, unless it is a stream. A redirect is left to `fetch`, which knows where it may send what. */
export const sendByHttp = async (
  target: string,
  { method, headers, body, signal, isStream }: TextRequest,
): Promise<TextAnswer> => {
  try {
    const own = { accept: '*/*', 'accept-encoding': isStream ? 'identity' : 'gzip' }
    const request = begin(target, { method, headers: { ...own, ...headers }, ...(signal && { signal }) })
    limitTimes(hearLateErrors(request))
    const message = await answered(request, body)
    const status = message.statusCode ?? 0
    if (isRedirect(status)) {
      message.resume()
      return await fetch(target, { method, headers, body, signal })
    }
    const named = (name: string): string | null => {
      const value = message.headers[name]
      return value === undefined ? null : String(value)
    }
    const facts = { status, ok: status >= 200 && status < 300, headers: { get: named } }
    if (isStream && facts.ok) {
      return { ...facts, text: () => textOf(message), body: Readable.toWeb(message) as ReadableStream<Uint8Array> }
    }
    const text = await textOf(message)
    return { ...facts, text: async () => text }
  } catch (error) {
    throw signal?.aborted ? signal.reason : error
  }
}
