import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { ElicitRequestSchema, type ElicitResult } from '@modelcontextprotocol/sdk/types.js'
import type { Body, TestServer } from '../../server.ts'
import { builtProgram } from '../../shared.ts'

export interface McpClient {
  client: Client
  /** Calls a tool and parses the JSON of its result. Throws what a tool says when it fails. */
  use(name: string, args?: Record<string, unknown>): Promise<Body>
  /** The text of a result, also of a failed one. */
  text(name: string, args?: Record<string, unknown>): Promise<string>
  close(): Promise<void>
}

interface ClientOptions {
  token?: string
  /** Answers forms; without it the client has none. */
  answer?: (message: string) => ElicitResult
  /** Folder of a client over stdio. */
  folder?: string
}

const connected = async (transport: Transport, { answer }: ClientOptions): Promise<McpClient> => {
  const capabilities = answer ? { elicitation: {} } : {}
  const client = new Client({ name: 'test', version: '1' }, { capabilities })
  if (answer) client.setRequestHandler(ElicitRequestSchema, async ({ params }) => answer(params.message))
  await client.connect(transport)
  await client.listTools() // from now on it checks each result against the schema of its tool
  const text: McpClient['text'] = async (name, args = {}) => {
    const { content } = (await client.callTool({ name, arguments: args })) as Body
    return content.map((one: Body) => one.text ?? one.type).join('\n')
  }
  return {
    client,
    text,
    async use(name, args = {}) {
      const { content, isError } = (await client.callTool({ name, arguments: args })) as Body
      if (isError) throw new Error(`${name}: ${content[0].text}`)
      return JSON.parse(content[0].text)
    },
    close: () => client.close(),
  }
}

/** A client of the server's address /mcp. */
export const connectHttp = (jetty: TestServer, options: ClientOptions = {}): Promise<McpClient> => {
  const headers = { authorization: `Bearer ${options.token ?? jetty.server.adminToken}` }
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', jetty.url), { requestInit: { headers } })
  return connected(transport as Transport, options)
}

/** A client that starts `jetty mcp`. */
export const connectStdio = async (jetty: TestServer, options: ClientOptions = {}): Promise<McpClient> => {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: options.folder ?? '/nonexistent',
    JETTY_API_URL: jetty.url,
    JETTY_API_TOKEN: options.token ?? jetty.server.adminToken,
  }
  const args = [await builtProgram(), 'mcp', ...(options.folder ? ['--folder', options.folder] : [])]
  return connected(new StdioClientTransport({ command: process.execPath, args, env, stderr: 'pipe' }), options)
}

/** The transports, by name. */
export const transports = { http: connectHttp, stdio: connectStdio } as const
