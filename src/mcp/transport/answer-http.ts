import { randomUUID } from 'node:crypto'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  type InitializeRequest,
  type JSONRPCMessage,
  JSONRPCMessageSchema,
  type RequestId,
  SUPPORTED_PROTOCOL_VERSIONS,
} from '@modelcontextprotocol/sdk/types.js'
import { type Connection, makeCaller } from '../../client/caller.ts'
import type { Operations } from '../../client/operations.ts'
import { AppError } from '../../lib/errors.ts'
import type { McpEndpoint, McpRequest } from '../../model/mcp-endpoint.ts'
import { makeMcpServer } from '../mcp-server.ts'

/** The messages that answer one HTTP request, in their order. */
interface AnswerQueue {
  /** Ids of its requests that have no answer yet. */
  readonly open: ReadonlySet<RequestId>
  push(message: JSONRPCMessage): void
  /** A request gets no answer any more: it was cancelled. */
  drop(id: RequestId): void
  /**
   * Resolves with the answers if they are complete in time and no notification precedes them; otherwise with undefined,
   * and a stream is needed.
   */
  whole(patienceMs: number): Promise<JSONRPCMessage[] | undefined>
  /** Yields the messages until every request has its answer, or `signal` fires. */
  messages(signal: AbortSignal): AsyncGenerator<JSONRPCMessage>
}

/** Maximum messages that wait for a slow reader; further notifications are dropped. */
const mostWaiting = 100

const isAnswer = (message: JSONRPCMessage): boolean => !('method' in message)

const makeAnswerQueue = (ids: readonly RequestId[]): AnswerQueue => {
  const open = new Set(ids)
  const waiting: JSONRPCMessage[] = []
  let wake = () => {}
  const change = () => new Promise<void>((resolve) => (wake = resolve))
  const end = (id: RequestId | undefined) => {
    if (id !== undefined) open.delete(id)
    wake()
  }
  return {
    open,
    push(message) {
      if (isAnswer(message) || waiting.length < mostWaiting) waiting.push(message)
      end(isAnswer(message) ? (message as { id?: RequestId }).id : undefined)
    },
    drop: end,
    async whole(patienceMs) {
      const late = Date.now() + patienceMs
      while (open.size > 0) {
        if (waiting.some((message) => !isAnswer(message))) return undefined
        const left = late - Date.now()
        if (left <= 0) return undefined
        let timer: NodeJS.Timeout | undefined
        const timeout = new Promise<void>((resolve) => {
          timer = setTimeout(resolve, left)
        })
        await Promise.race([change(), timeout])
        clearTimeout(timer)
      }
      return waiting.every(isAnswer) ? waiting : undefined
    },
    async *messages(signal) {
      signal.addEventListener('abort', () => wake(), { once: true })
      while (!signal.aborted) {
        const message = waiting.shift()
        if (message) yield message
        else if (open.size === 0) return
        else await change()
      }
    },
  }
}

/** A client with requests in flight. It exists only as long as there are any. */
interface ClientSession {
  /** Takes the messages of one HTTP request with its headers. Throws when an id is in use. */
  ask(messages: readonly JSONRPCMessage[], ids: readonly RequestId[], headers: McpRequest['trace']): AnswerQueue
  /** Takes messages that want no answer: cancellations, and answers to questions of tools. */
  tell(messages: readonly JSONRPCMessage[]): void
  /** Cancels what a queue still waits for. */
  cancel(queue: AnswerQueue): void
  /** Cancels everything. */
  cancelAll(): void
  close(): Promise<void>
}

const cancellation = (requestId: RequestId): JSONRPCMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId },
})

const cancelledId = (message: JSONRPCMessage): RequestId | undefined =>
  'method' in message && message.method === 'notifications/cancelled'
    ? (message.params?.requestId as RequestId | undefined)
    : undefined

/** Connects a server to the requests of one client. Answers go to the HTTP request that asked for them. */
const openClientSession = async (server: Server): Promise<ClientSession> => {
  const queues = new Map<RequestId, AnswerQueue>()
  const transport: Transport = {
    start: async () => {},
    close: async () => transport.onclose?.(),
    send: async (message, options) => {
      const isAnswer = !('method' in message)
      const id = isAnswer ? (message as { id?: RequestId }).id : options?.relatedRequestId
      if (id === undefined) return
      queues.get(id)?.push(message)
      if (isAnswer) queues.delete(id)
    },
  }
  await server.connect(transport)
  const take = (message: JSONRPCMessage, headers: McpRequest['trace'] = {}) => {
    transport.onmessage?.(message, { requestInfo: { headers } })
    const id = cancelledId(message)
    if (id === undefined) return
    queues.get(id)?.drop(id)
    queues.delete(id)
  }
  const cancel = (ids: Iterable<RequestId>) => {
    for (const id of [...ids]) take(cancellation(id))
  }
  return {
    ask(messages, ids, headers) {
      const used = ids.find((id) => queues.has(id))
      if (used !== undefined) throw new AppError('bad_request', `Request ${used} is still under way`)
      const queue = makeAnswerQueue(ids)
      for (const id of ids) queues.set(id, queue)
      for (const message of messages) take(message, headers)
      return queue
    },
    tell(messages) {
      for (const message of messages) take(message)
    },
    cancel: (queue) => cancel(queue.open),
    cancelAll: () => cancel(queues.keys()),
    close: () => server.close(),
  }
}

/** Requests in flight: of this process, and of one key. */
const mostInFlight = { process: 256, key: 32 } as const
const mostMessages = 50

/**
 * A session id says all that has to be known of a client between its requests: whether it can show forms. So nothing is
 * held for a client that is idle, and any process of the installation can answer its next request.
 */
const sessionPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.form)?$/

const newSessionId = ({ params: { capabilities } }: InitializeRequest): string => {
  const { elicitation } = capabilities
  const hasForms = elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined)
  return `${randomUUID()}${hasForms ? '.form' : ''}`
}

const readMessages = (body: unknown): JSONRPCMessage[] => {
  const given = Array.isArray(body) ? body : [body]
  if (given.length === 0 || given.length > mostMessages) {
    throw new AppError('bad_request', `A request has 1 to ${mostMessages} messages, not ${given.length}`)
  }
  return given.map((one) => {
    const read = JSONRPCMessageSchema.safeParse(one)
    if (read.success) return read.data
    throw new AppError('bad_request', 'The body is no JSON-RPC 2.0 message', {
      hint: 'Send what a client of the Model Context Protocol sends, such as {"jsonrpc":"2.0","id":1,"method":"tools/list"}.',
    })
  })
}

const idsOf = (messages: readonly JSONRPCMessage[]): RequestId[] => {
  const ids = messages.flatMap((message) => ('method' in message && 'id' in message ? [message.id] : []))
  if (new Set(ids).size === ids.length) return ids
  throw new AppError('bad_request', 'Two requests have the same id')
}

const initializeIn = (messages: readonly JSONRPCMessage[]): InitializeRequest | undefined => {
  const found = messages.find((message) => 'method' in message && message.method === 'initialize')
  if (!found) return undefined
  const params = (found as { params?: { capabilities?: object } }).params
  return { ...found, params: { capabilities: {}, ...params } } as unknown as InitializeRequest
}

const checkHeaders = ({ sessionId, protocolVersion }: McpRequest): void => {
  if (protocolVersion !== undefined && !SUPPORTED_PROTOCOL_VERSIONS.includes(protocolVersion)) {
    throw new AppError(
      'bad_request',
      `This server does not speak version ${protocolVersion.slice(0, 40)} of the protocol`,
      {
        hint: `Versions: ${SUPPORTED_PROTOCOL_VERSIONS.join(', ')}.`,
      },
    )
  }
  // 404 makes a client begin anew.
  if (sessionId !== undefined && !sessionPattern.test(sessionId)) throw new AppError('not_found', 'No such session')
}

/** Counts the requests in flight. `enter` refuses one too many; each request that entered leaves once. */
const makeInFlight = () => {
  const byOwner = new Map<string, number>()
  let total = 0
  return {
    enter(owner: string): void {
      const own = byOwner.get(owner) ?? 0
      if (total >= mostInFlight.process || own >= mostInFlight.key) {
        const [whose, most] = own >= mostInFlight.key ? ['this key', mostInFlight.key] : ['all', mostInFlight.process]
        throw new AppError('busy', `${most} MCP calls of ${whose} are under way; no more are accepted at once`, {
          retryAfterSeconds: 2,
        })
      }
      total++
      byOwner.set(owner, own + 1)
    },
    leave(owner: string): void {
      total--
      const left = (byOwner.get(owner) ?? 1) - 1
      if (left > 0) byOwner.set(owner, left)
      else byOwner.delete(owner)
    },
  }
}

/** Makes the endpoint of MCP clients. Tools call the API of this server at `origin`, with the key of their caller. */
export const makeMcpEndpoint = (operations: Operations, origin: () => string, agent: string): McpEndpoint => {
  const inFlight = makeInFlight()
  const sessions = new Map<string, { users: number; opened: Promise<ClientSession> }>()
  const open = ({ token, access, sessionId }: McpRequest): Promise<ClientSession> => {
    const connection: Connection = { url: origin(), token, agent }
    const server = makeMcpServer({
      caller: makeCaller(operations, connection),
      access: async () => access,
      canAsk: () => sessionId?.endsWith('.form') ?? false,
      folder: undefined,
    })
    return openClientSession(server)
  }

  /** The session of a client, for as long as it has requests in flight: each one releases it. */
  const sessionOf = (name: string, request: McpRequest): Promise<ClientSession> => {
    const entry = sessions.get(name) ?? { users: 0, opened: open(request) }
    entry.users++
    sessions.set(name, entry)
    return entry.opened
  }
  const release = (name: string) => {
    const entry = sessions.get(name)
    if (!entry || --entry.users > 0) return
    sessions.delete(name)
    void entry.opened.then((session) => session.close()).catch(() => {})
  }

  const nameOf = ({ owner, sessionId }: Pick<McpRequest, 'owner' | 'sessionId'>): string =>
    `${owner} ${sessionId ?? randomUUID()}` // without an id each request is a client of its own

  return {
    async post(request) {
      checkHeaders(request)
      const messages = readMessages(request.body)
      const ids = idsOf(messages)
      const name = nameOf(request)
      const beginning = initializeIn(messages)
      const sessionId = beginning && newSessionId(beginning)
      if (ids.length === 0) {
        const session = await sessions.get(name)?.opened
        session?.tell(messages)
        return { sessionId, queue: undefined, end: () => {} }
      }
      inFlight.enter(request.owner)
      const exit = () => {
        inFlight.leave(request.owner)
        release(name)
      }
      try {
        const session = await sessionOf(name, request)
        const queue = session.ask(messages, ids, request.trace)
        let isOver = false
        const end = () => {
          if (isOver) return
          isOver = true
          session.cancel(queue)
          exit()
        }
        return { sessionId, queue, end }
      } catch (error) {
        exit()
        throw error
      }
    },
    end(request) {
      void sessions.get(nameOf(request))?.opened.then((session) => session.cancelAll())
    },
  }
}
