import { once } from 'node:events'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { ErrorCode, type JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import type { Caller } from '../client/client.ts'
import type { AccessLevelName } from '../model/collections/identity.ts'
import { makeMcpServer } from './mcp-server.ts'

/** Answers a line that is no message; the library only drops it, and its sender would wait. */
const answerFault = (transport: StdioServerTransport, error: Error): void => {
  const isUnparsed = error instanceof SyntaxError
  if (!isUnparsed && error.name !== 'ZodError') return
  const [code, message] = isUnparsed
    ? [ErrorCode.ParseError, 'The line is not valid JSON']
    : [ErrorCode.InvalidRequest, 'The line is no JSON-RPC 2.0 message']
  void transport.send({ jsonrpc: '2.0', id: null, error: { code, message } } as unknown as JSONRPCMessage)
}

/** Serves a client that has started this process, over stdin and stdout, until it closes them or `signal` fires. */
export const serveStdio = async (caller: Caller, folder: string, signal: AbortSignal): Promise<void> => {
  /** Asked again until the server has answered: it may be started after the client. */
  let known: AccessLevelName | undefined
  const access = async () => {
    known ??= await caller('whoAmI').then(
      (identity) => (identity as { access_level: AccessLevelName }).access_level,
      () => undefined,
    )
    return known
  }
  const server = makeMcpServer({
    caller,
    access,
    canAsk: () => {
      const elicitation = server.getClientCapabilities()?.elicitation
      return elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined)
    },
    folder,
  })
  const transport = new StdioServerTransport()
  transport.onerror = (error) => answerFault(transport, error)
  await server.connect(transport)
  const left = new AbortController()
  const leave = () => left.abort()
  server.onclose = leave
  signal.addEventListener('abort', leave, { once: true })
  process.stdin.once('end', leave).once('close', leave)
  if (!left.signal.aborted) await once(left.signal, 'abort')
  await server.close()
}
