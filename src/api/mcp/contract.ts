import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'

const tag = 'MCP'

const headers = {
  'Mcp-Session-Id': 'Id of the session, from the answer to `initialize`.',
  'MCP-Protocol-Version': 'Version of the protocol that client and server have agreed on.',
} as const

/** The messages are validated later, with their limits, because JSON-RPC errors must name the faulty message. */
const messagesSchema = z
  .union([z.record(z.string(), z.unknown()), z.array(z.unknown())])
  .meta({ id: 'McpMessages' })
  .describe('A JSON-RPC 2.0 message of the Model Context Protocol, or a list of them.')

export const mcpContract = {
  answerMcp: endpoint({
    method: 'POST',
    path: '/mcp',
    summary:
      'Answer a client of the Model Context Protocol (streamable HTTP), as JSON or as server-sent events; 202 without a body where nothing is asked',
    tag,
    access: 'read',
    headers,
    body: messagesSchema,
    isData: true,
    response: z.unknown(),
    mediaTypes: ['text/event-stream'],
    errors: ['bad_request', 'busy', 'not_found'],
    errorBody: 'jsonrpc',
  }),
  endMcpSession: endpoint({
    method: 'DELETE',
    path: '/mcp',
    summary: 'Cancel what a session has in flight; the runs that it started go on',
    tag,
    access: 'read',
    headers,
    response: 'empty',
    status: 204,
  }),
}
