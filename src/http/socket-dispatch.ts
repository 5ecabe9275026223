import type { IncomingMessage, ServerResponse } from 'node:http'
import { AppError, isDatabaseUnavailable } from '../lib/errors.ts'
import type { Share } from '../lib/memory/byte-budget.ts'
import type { Identity } from '../model/collections/identity.ts'
import { corsHeaders, originOf } from './cors.ts'
import type { DispatchOptions } from './dispatch.ts'
import type { EarlyAdmissions, EarlyCall } from './early-admission.ts'
import { failureReply } from './failure.ts'
import type { SocketCall, SocketRoute } from './implement.ts'
import { bodyTooLarge, readBytes } from './input/body.ts'
import { longestWaitForMemoryMs, memoryOwner, type Room } from './input/memory.ts'
import { requestIdOf } from './request-id.ts'
import { makeRouter, splitTarget } from './router.ts'
import { tokenHeader } from './token-header.ts'

const smallBody = 64 * 1024

/** What is to be given back once a call has its answer and its record. */
interface Over {
  isOver: boolean
  end(): void
}

/**
 * Makes the function that takes over the requests of routes which answer on the socket, and says whether it did. These
 * are the calls where microseconds count: no Request, Response or web stream is made for them.
 */
export const makeSocketDispatch = (options: DispatchOptions, admissions: EarlyAdmissions, stopping: AbortSignal) => {
  const { log, observer, settings } = options
  const router = makeRouter<SocketRoute>()
  for (const route of options.socketRoutes ?? []) {
    for (const path of [route.endpoint.path, ...route.endpoint.aliases]) router.add(route.endpoint.method, path, route)
  }
  const allowedOrigin = originOf(settings.publicUrl)

  const find = ({ method, url }: IncomingMessage): SocketRoute | undefined => {
    const segments = splitTarget(url ?? '/')
    const found = segments && router.find(method ?? '', segments)
    return found && 'value' in found ? found.value : undefined
  }

  /** Throws 401 for a token that is not valid. Where the database is away, that is found out later. */
  const refuseStranger = async (
    header: string | undefined,
    address: string | undefined,
  ): Promise<Identity | undefined> => {
    if (header === undefined) throw new AppError('unauthenticated', 'Not authenticated')
    try {
      return await options.authenticate(header, address)
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error
      return undefined
    }
  }

  /** A large body is read of nobody but those who are known: it takes memory, until the call is over. */
  const readBody = async (incoming: IncomingMessage, header: string | undefined, over: Over): Promise<Buffer> => {
    if (header === undefined) throw new AppError('unauthenticated', 'Not authenticated')
    const size = Number(incoming.headers['content-length'])
    if (size > settings.maxBodyBytes) throw bodyTooLarge(settings.maxBodyBytes)
    if (size <= smallBody) return readBytes(incoming, settings.maxBodyBytes)
    let share: Share | undefined
    const known = refuseStranger(header, incoming.socket.remoteAddress).then((identity) => {
      if (over.isOver || !options.memory) return
      const opened = options.memory.open(memoryOwner(identity, incoming.socket.remoteAddress), 'request')
      share = opened
      over.end = () => opened.end()
    })
    const take = (bytes: number) =>
      share?.add(bytes, { what: `${incoming.method} ${incoming.url}`, waitMs: longestWaitForMemoryMs })
    const room: Room = (bytes) => (share ? take(bytes) : known.then(() => take(bytes)))
    const reading = readBytes(incoming, settings.maxBodyBytes, room, size)
    reading.catch(() => {}) // it ends with the connection of a stranger
    await known
    return reading
  }

  const fail = (call: SocketCall, route: SocketRoute, thrown: unknown): void => {
    const { outgoing, incoming } = call
    const reply = failureReply(log, thrown, { method: incoming.method ?? '', requestId: call.requestId }, route)
    if (outgoing.headersSent || outgoing.destroyed) return void outgoing.destroy()
    const status = reply.status ?? 500
    call.answering(status, 'whole')
    if (!incoming.complete) outgoing.shouldKeepAlive = false // nobody will read the rest of the body
    const body = reply.body as string
    const headers = { ...reply.headers, 'x-request-id': call.requestId }
    outgoing.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) }).end(body)
  }

  return (incoming: IncomingMessage, outgoing: ServerResponse): boolean => {
    const route = find(incoming)
    if (!route) return false
    const started = performance.now()
    const cors = corsHeaders(incoming.headers.origin, allowedOrigin)
    if (cors) for (const [name, value] of Object.entries(cors)) outgoing.setHeader(name, value)
    const header = tokenHeader(incoming.headers, route.endpoint)
    const over: Over = { isOver: false, end: () => {} }
    let isAdmitted = false
    /** What was wrong with the call; with its token, where nobody has looked at that yet. */
    const reasonOf = async (thrown: unknown): Promise<unknown> => {
      if (isAdmitted) return thrown
      try {
        await refuseStranger(header, incoming.socket.remoteAddress)
        return thrown
      } catch (refusal) {
        return refusal
      }
    }
    const call: SocketCall = {
      endpoint: route.endpoint,
      requestId: requestIdOf(incoming.headers),
      incoming,
      outgoing,
      stopping,
      readBody: () => readBody(incoming, header, over),
      admit: (name) => {
        const asked: EarlyCall = { endpoint: route.endpoint, name, header, address: incoming.socket.remoteAddress }
        const admission = admissions.admit(asked)
        isAdmitted = true // it throws for a stranger itself
        return admission
      },
      answering: (status, kind) => {
        const ms = performance.now() - started
        observer?.answered(route.operation, status, ms / 1000)
        if (kind === 'stream' && observer) outgoing.once('close', observer.streaming())
        if (!log.isLevelEnabled('debug')) return
        const { method } = incoming
        const { operation } = route
        const request_id = call.requestId
        const path = route.endpoint.path
        log.debug({ method, route: path, operation, status, ms: Math.round(ms * 10) / 10, request_id }, 'request')
      },
    }
    route
      .answer(call)
      .catch(async (thrown: unknown) => fail(call, route, await reasonOf(thrown)))
      .finally(() => {
        over.isOver = true
        over.end()
      })
    return true
  }
}
