import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js'
import { AppError } from '../../lib/errors.ts'
import { type AnswerQueue, makeAnswerQueue } from './exchange.ts'

/** A client with requests in flight. It exists only as long as there are any. */
export interface ClientSession {
  /** Takes the messages of one HTTP request. Throws when an id is in use. */
  ask(messages: readonly JSONRPCMessage[], ids: readonly RequestId[]): AnswerQueue
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
export const openClientSession = async (server: Server): Promise<ClientSession> => {
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
  const take = (message: JSONRPCMessage) => {
    transport.onmessage?.(message)
    const id = cancelledId(message)
    if (id === undefined) return
    queues.get(id)?.drop(id)
    queues.delete(id)
  }
  const cancel = (ids: Iterable<RequestId>) => {
    for (const id of [...ids]) take(cancellation(id))
  }
  return {
    ask(messages, ids) {
      const used = ids.find((id) => queues.has(id))
      if (used !== undefined) throw new AppError('bad_request', `Request ${used} is still under way`)
      const queue = makeAnswerQueue(ids)
      for (const id of ids) queues.set(id, queue)
      for (const message of messages) take(message)
      return queue
    },
    tell: (messages) => messages.forEach(take),
    cancel: (queue) => cancel(queue.open),
    cancelAll: () => cancel(queues.keys()),
    close: () => server.close(),
  }
}
