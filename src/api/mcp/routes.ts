import { refuseOtherPages } from '../../http/authorise.ts'
import { originOf } from '../../http/cors.ts'
import { events } from '../../http/events.ts'
import { type AnyCall, implement, type Route } from '../../http/implement.ts'
import { empty, Reply, rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { readTrace, traceHeaders } from '../../lib/text/trace-context.ts'
import type { Identity } from '../../model/collections/identity.ts'
import type { McpEndpoint, McpResponse } from '../../model/mcp-endpoint.ts'
import { mcpContract } from './contract.ts'

export interface McpDeps {
  /** Loaded with the first call: the SDK takes 200 ms. */
  loadMcp(): Promise<McpEndpoint>
  settings: { publicUrl: string | undefined }
}

/** An answer that takes longer becomes a stream, whose comments keep proxies from closing the connection. */
const patienceMs = 5_000

const tokenOf = ({ headers: { authorization } }: AnyCall): string => {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (token !== undefined) return token
  throw new AppError('unauthenticated', 'An MCP client sends its key in the header Authorization: Bearer <key>')
}

const ownerOf = ({ kind, keyId }: Identity): string => `${kind} ${keyId ?? ''}`

const header = ({ headers }: AnyCall, name: string): string | undefined => headers[name]?.toString()

/** Sends the answers as JSON if they come soon, and as a stream if a notification precedes them. */
const replyTo = async (call: AnyCall, { queue, sessionId, end }: McpResponse): Promise<Reply> => {
  const headers = sessionId === undefined ? {} : { 'mcp-session-id': sessionId }
  if (!queue) return empty(202)
  call.onGone(end)
  const whole = await queue.whole(patienceMs)
  if (whole) {
    end()
    if (whole.length === 0) return empty(202) // all of it was cancelled
    return rawJson(JSON.stringify(whole.length === 1 ? whole[0] : whole), { headers })
  }
  const reply = events(call, async function* (signal) {
    try {
      for await (const message of queue.messages(signal)) yield { event: 'message', data: JSON.stringify(message) }
    } finally {
      end()
    }
  })
  return new Reply(reply.body, { ...reply.headers, ...headers })
}

export const mcpRoutes = ({ loadMcp, settings }: McpDeps): Route[] => {
  const publicOrigin = originOf(settings.publicUrl)
  return implement(mcpContract, {
    answerMcp: async (call) => {
      refuseOtherPages(call.headers, publicOrigin)
      const request = {
        body: call.body,
        token: tokenOf(call),
        owner: ownerOf(call.identity),
        access: call.identity.access,
        sessionId: header(call, 'mcp-session-id'),
        protocolVersion: header(call, 'mcp-protocol-version'),
        trace: { ...traceHeaders(readTrace(call.headers)) },
      }
      const mcp = await loadMcp()
      return replyTo(call, await mcp.post(request))
    },
    endMcpSession: async (call) => {
      refuseOtherPages(call.headers, publicOrigin)
      const mcp = await loadMcp()
      mcp.end({ owner: ownerOf(call.identity), sessionId: header(call, 'mcp-session-id') })
      return empty()
    },
  })
}
