import type { IncomingMessage, ServerResponse } from 'node:http'
import { noteWork } from '../lib/loop-watch.ts'
import { makeAdmissionCache } from './admission-cache.ts'
import { corsHeaders, originOf } from './cors.ts'
import { closed, cutWhereStalled, type Exchange, openExchange } from './exchange.ts'
import { failureReply } from './failure.ts'
import { makeRequestHandler } from './handle-request.ts'
import type { HttpOptions } from './options.ts'
import { Reply } from './reply.ts'
import { makeRouteTable, type ServedRoute } from './route-table.ts'
import type { Match } from './router.ts'
import { makeSend } from './send.ts'
import { withWarnings } from './warnings.ts'

/**
 * Makes the function that answers every request: it finds the route, calls its handler, and sends the answer. Errors
 * have the format that the endpoint declares.
 */
export const makeDispatch = (options: HttpOptions, stopping: AbortSignal) => {
  const { settings, log, observer, memory: budget } = options
  const find = makeRouteTable(options.routes, options.pages)
  const handle = makeRequestHandler(options, makeAdmissionCache(options), stopping)
  const send = makeSend(options)
  const allowedOrigin = originOf(settings.publicUrl)
  const isLogged = log.isLevelEnabled('debug')

  const answerOf = async (exchange: Exchange, { value: route, params }: Match<ServedRoute>): Promise<Reply> => {
    let reply: Reply
    try {
      reply = await handle(route, params, exchange)
    } catch (thrown) {
      reply = failureReply(log, thrown, exchange, route)
    }
    // A 404 with warnings would reveal what exists: unknown and foreign names get the same answer.
    const isTold = (reply.status ?? 200) < 400 || reply.status === 422
    return isTold ? withWarnings(reply, exchange.warnings, route.hasWarningsMember) : reply
  }

  const note = ({ method, requestId }: Exchange, route: ServedRoute | undefined, status: number, ms: number) => {
    const operation = route?.operation
    observer?.answered(operation ?? 'none', status, ms / 1000)
    if (!isLogged) return
    const fields = { method, route: route?.endpoint.path, operation, status, ms: Math.round(ms * 10) / 10 }
    log.debug({ ...fields, request_id: requestId }, 'request')
  }

  const answer = async (exchange: Exchange): Promise<void> => {
    const started = performance.now()
    const found = find(exchange)
    const match = found instanceof Reply ? undefined : found
    const route = match?.value
    noteWork(route?.operation ?? 'request')
    const reply = match ? await answerOf(exchange, match) : (found as Reply)
    const status = reply.status ?? route?.endpoint.status ?? 200
    note(exchange, route, status, performance.now() - started)
    try {
      await send(exchange, reply, status)
    } catch (thrown) {
      // The headers are sent, so only closing the connection can signal the failure.
      if (route) failureReply(log, thrown, exchange, route)
      exchange.outgoing.destroy()
    }
  }

  return (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const headers = corsHeaders(incoming.headers.origin, allowedOrigin)
    const exchange = openExchange(incoming, outgoing, { budget, headers })
    const end = () => {
      if (!exchange.memory.isHeld()) return
      cutWhereStalled(outgoing)
      void closed(outgoing).then(exchange.memory.end)
    }
    answer(exchange).then(end, (error: unknown) => {
      log.error({ err: error, request_id: exchange.requestId }, 'a request failed with a bug')
      outgoing.destroy()
      end()
    })
  }
}
