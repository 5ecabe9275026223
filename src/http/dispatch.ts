import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import type { ByteBudget, Share } from '../lib/memory/byte-budget.ts'
import { uncountedBytes } from '../lib/memory/json-memory.ts'
import type { ShareOwner } from '../lib/memory/owner-caps.ts'
import type { Warning } from '../model/warning.ts'
import { type AuditNote, type AuditTrail, changesOf, recorded } from './audit.ts'
import { admit, type Gate } from './authorise.ts'
import { corsHeaders, originOf, preflightHeaders } from './cors.ts'
import { errorReply } from './errors.ts'
import { failureReply } from './failure.ts'
import { idempotencyScope } from './idempotency.ts'
import type { AnyCall, Call, Route, SocketRoute } from './implement.ts'
import { type CheckMembers, makeCheckMembers } from './input/check-members.ts'
import { partNames, readForm } from './input/form.ts'
import { type CallMemory, longestWaitForMemoryMs, memoryOwner, type Room } from './input/memory.ts'
import type { FileSink, FormLimits, PartNames } from './input/multipart.ts'
import { checkBody, queryReader, type ReadQuery, readJsonBody } from './input/parse.ts'
import type { RequestObserver } from './observer.ts'
import { jsonHeaders, Reply } from './reply.ts'
import { requestIdOf } from './request-id.ts'
import { makeRouter, splitTarget } from './router.ts'
import { guarded } from './stream.ts'
import { tokenHeader } from './token-header.ts'
import { hasWarningsMember, warned } from './warnings.ts'

/** What http needs of the settings. */
export interface HttpSettings {
  publicUrl: string | undefined
  maxBodyBytes: number
  maxUploadBytes: number
  maxFilesPerRun: number
  maxInitParamsBytes: number
}

/** The part of a pino logger that is used here. */
export interface HttpLog {
  isLevelEnabled(level: string): boolean
  debug(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

export interface DispatchOptions extends Gate {
  routes: Route[]
  /** Those that answer on the socket itself. */
  socketRoutes?: SocketRoute[]
  settings: HttpSettings
  log: HttpLog
  /** Where changes are written down; without one they are not. */
  audit?: AuditTrail
  /** Where file parts of forms are stored. */
  files?: FileSink
  /** What large bodies and answers may take of the process's memory; without it nothing is counted. */
  memory?: ByteBudget
  observer?: RequestObserver
  /** How many connections it may have at once. */
  connections?: number
  /** Checks each answer against the contract: for tests only. */
  checkAnswers?: boolean
  /** Told before the answer to whatever is audited: it may change who is admitted where. */
  changed?(): void
}

interface Served extends Route {
  readQuery: ReadQuery
  checkMembers: CheckMembers | undefined
  hasWarningsMember: boolean
  parts: PartNames
}

interface Received {
  request: Request
  method: string
  /** Path and query as they were sent: the URL of the request has `..` folded away already. */
  target: string
  headers: IncomingHttpHeaders
  requestId: string
  /** Of the other end of the connection. */
  address: string | undefined
  /** Made when it is wanted: most requests have no body. */
  body(): Readable
  /** Ends the connection at once. */
  cut(): void
  /** Calls back once the answer has left, or its connection is gone. */
  onSent(sent: () => void): void
  /** What of the request was not used as it may have been meant. */
  warnings: Warning[]
}

const notFound = new Reply('{"detail":"Not Found"}', jsonHeaders, 404)

const received = (request: Request, incoming: IncomingMessage | undefined, outgoing?: ServerResponse): Received => {
  const headers = incoming?.headers ?? Object.fromEntries(request.headers)
  const requestId = requestIdOf(headers)
  return incoming
    ? {
        request,
        method: request.method,
        target: incoming.url ?? '/',
        headers,
        requestId,
        address: incoming.socket.remoteAddress,
        body: () => incoming,
        cut: () => incoming.socket.destroy(),
        onSent: (sent) => (outgoing && !outgoing.closed ? outgoing.once('close', sent) : setImmediate(sent)),
        warnings: [],
      }
    : {
        request,
        method: request.method,
        target: request.url,
        headers,
        requestId,
        address: undefined,
        body: () => (request.body ? Readable.fromWeb(request.body as never) : Readable.from([])),
        cut: () => {},
        onSent: (sent) => setImmediate(sent),
        warnings: [],
      }
}

/** Where the clients of models ask: they show what stands in `error`, and nothing else. */
const ofModels = '/v1/'

const unknown = (method: string, target: string): Reply => {
  if (!target.startsWith(ofModels)) return notFound
  const [path] = target.split('?', 1)
  const hint = 'The page /docs lists all calls of this server.'
  return errorReply(new AppError('not_found', `There is no ${method} ${path?.slice(0, 200)} here`, { hint }), 'openai')
}

/** The answer for a path without a route for the method. */
const refusal = ({ method, target }: Received, allow: string[] | undefined): Reply => {
  if (!allow) return unknown(method, target)
  const headers = { ...jsonHeaders, allow: [...allow, 'OPTIONS'].join(', ') }
  return method === 'OPTIONS'
    ? new Reply(null, { ...headers, ...preflightHeaders(allow) }, 204)
    : new Reply('{"detail":"Method Not Allowed"}', headers, 405)
}

/** Makes the function that answers a request: route, authorise, parse, call; errors in the shape their endpoint declares. */
export const makeDispatch = (options: DispatchOptions, stopping: AbortSignal) => {
  const { settings, log, files: sink } = options
  const router = makeRouter<Served>()
  for (const route of [...options.routes, ...(options.socketRoutes ?? []).map(withoutSocket)]) {
    const { endpoint } = route
    const readers = {
      readQuery: queryReader(endpoint),
      checkMembers: makeCheckMembers(endpoint),
      parts: partNames(endpoint),
    }
    const served = { ...route, ...readers, hasWarningsMember: hasWarningsMember(endpoint) }
    for (const path of [route.endpoint.path, ...route.endpoint.aliases]) router.add(route.endpoint.method, path, served)
  }
  const limits: FormLimits = {
    maxFileBytes: settings.maxUploadBytes,
    maxFiles: settings.maxFilesPerRun,
    maxFieldBytes: settings.maxInitParamsBytes,
  }
  const allowedOrigin = originOf(settings.publicUrl)
  const logged = log.isLevelEnabled('debug')
  const { observer } = options
  const timed = logged || observer !== undefined

  const readBody = async ({ endpoint, parts }: Served, from: Received, room: Room) => {
    if (endpoint.form) {
      const { fields, ...rest } = await readForm(from.body(), from.headers, parts, limits, sink, room)
      return { input: fields, ...rest }
    }
    const { text, value } = await readJsonBody(from.body(), from.headers, settings.maxBodyBytes, room)
    return { input: value, text, files: [], skipped: [] }
  }

  const call = async (served: Served, params: Record<string, string>, from: Received): Promise<Reply> => {
    const { endpoint } = served
    const token = tokenHeader(from.headers, endpoint)
    const { identity, collection, task } = await admit(options, endpoint, params, token, from.address)
    const warn = (warning: Warning) => void from.warnings.push(warning)
    const query = served.readQuery(from.target, warn)
    const scope = endpoint.idempotent
      ? idempotencyScope(served.operation, { identity, collection, task }, params, from.headers['idempotency-key'])
      : undefined
    const memory = memoryOf(options.memory, collection?.id ?? memoryOwner(identity, from.address), from)
    const sent = endpoint.body ? await readBody(served, from, memory.take) : undefined
    const files = sent?.files ?? []
    let kept = files.length === 0
    const note: AuditNote = {}
    const made: AnyCall & Record<string, unknown> = {
      params,
      query,
      identity,
      collection,
      task,
      body: undefined,
      bodyText: sent?.text ?? '',
      files,
      keepFiles: () => {
        kept = true
      },
      idempotencyScope: scope,
      warn,
      note: (details) => void Object.assign(note, details),
      memory,
      get signal() {
        return from.request.signal
      },
      stopping,
      request: from.request,
    }
    try {
      if (sent) served.checkMembers?.(sent, warn)
      if (endpoint.body) made.body = checkBody(endpoint.body, sent?.input)
      const handle = () => served.handle(made as unknown as Call)
      const answer = await (endpoint.audited && options.audit
        ? recorded(options.audit, { ...entryOf(served, made), collection, identity }, note, handle, auditLost)
        : handle())
      if (options.checkAnswers) checkAnswer(served, answer)
      return answer instanceof Reply ? answer : new Reply(JSON.stringify(answer), jsonHeaders)
    } finally {
      if (endpoint.audited) options.changed?.()
      if (!kept) await sink?.remove(files.map((file) => file.object)).catch(() => {})
    }
  }

  const auditLost = (error: unknown) => log.warn({ err: error }, 'how a change ended is not in the audit trail')

  const ended = ({ headers }: Reply) =>
    headers['content-type']?.startsWith('text/event-stream') ? observer?.streaming() : undefined

  const toResponse = (reply: Reply, from: Received, status: number): Response => {
    const cors = corsHeaders(from.headers.origin, allowedOrigin)
    const headers: Record<string, string> = { ...reply.headers, ...cors, 'x-request-id': from.requestId }
    if (from.method === 'HEAD' && reply.body instanceof ReadableStream) {
      void reply.body.cancel()
      return new Response(null, { status, headers })
    }
    const body =
      reply.body instanceof ReadableStream ? guarded(reply.body, (error) => cut(from, error), ended(reply)) : reply.body
    return new Response(body as string | null, { status, headers })
  }

  /** An answer that breaks off must look broken: without the end that its length or chunks promise. */
  const cut = (from: Received, error: unknown): void => {
    log.warn({ reason: String(error), request_id: from.requestId }, 'an answer was cut off')
    from.cut()
  }

  return async (request: Request, incoming?: IncomingMessage, outgoing?: ServerResponse): Promise<Response> => {
    const started = timed ? performance.now() : 0
    const from = received(request, incoming, outgoing)
    const segments = splitTarget(from.target)
    const found = segments && router.find(from.method, segments)
    const match = found && 'value' in found ? found : undefined
    const operation = match?.value.operation
    let reply: Reply
    if (!match) reply = refusal(from, found && 'allow' in found ? found.allow : undefined)
    else {
      try {
        reply = await call(match.value, match.params, from)
      } catch (thrown) {
        reply = failureReply(log, thrown, from, match.value)
      }
      // A 404 with warnings would tell what exists: unknown and foreign get the same answer.
      const isTold = (reply.status ?? 200) < 400 || reply.status === 422
      if (isTold) reply = warned(reply, from.warnings, match.value.hasWarningsMember)
    }
    const status = reply.status ?? match?.value.endpoint.status ?? 200
    const ms = timed ? performance.now() - started : 0
    observer?.answered(operation ?? 'none', status, ms / 1000)
    if (logged) {
      const route = match?.value.endpoint.path
      const { method, requestId: request_id } = from
      log.debug({ method, route, operation, status, ms: Math.round(ms * 10) / 10, request_id }, 'request')
    }
    return toResponse(reply, from, status)
  }
}

/** Makes what takes memory for one call; all of it is given back once the answer has left. */
const memoryOf = (budget: ByteBudget | undefined, owner: ShareOwner, from: Received): CallMemory => {
  let share: Share | undefined
  return {
    take(bytes) {
      if (!budget || bytes <= uncountedBytes) return undefined
      if (!share) {
        const opened = budget.open(owner, 'request')
        share = opened
        from.onSent(() => opened.end())
      }
      const [path = ''] = from.target.split('?', 1)
      return share.add(bytes, { what: `${from.method} ${path.slice(0, 200)}`, waitMs: longestWaitForMemoryMs })
    },
    giveBack(bytes) {
      if (bytes > uncountedBytes) share?.giveBack(bytes)
    },
  }
}

/** Such a route as it is known here: for its other methods, and for a request that came without a socket. */
const withoutSocket = ({ operation, endpoint }: SocketRoute): Route => ({
  operation,
  endpoint: { ...endpoint, body: undefined },
  handle: async () => {
    throw new AppError('not_supported', 'This call is answered on a socket alone')
  },
})

/** What is written down of a call before it is carried out. */
const entryOf = ({ operation }: Route, call: AnyCall & Record<string, unknown>) => ({
  operation,
  target: Object.values(call.params as Record<string, string>).join('/'),
  changes: changesOf(call.body),
})

const checkAnswer = ({ operation, endpoint }: Route, answer: unknown): void => {
  if (!(endpoint.response instanceof z.ZodType)) return
  const value: unknown =
    answer instanceof Reply ? (typeof answer.body === 'string' ? JSON.parse(answer.body) : undefined) : answer
  const checked = endpoint.response.safeParse(value)
  if (!checked.success) throw new Error(`${operation} answered against its contract: ${checked.error.message}`)
}
