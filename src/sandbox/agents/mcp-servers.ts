import { isObject } from '../../lib/json/json-object.ts'

/** An MCP server started inside the sandbox, or reached through the proxy. */
export type McpServer =
  | { name: string; command: string; args: string[]; env: Record<string, string> }
  | { name: string; transport: 'http' | 'sse'; url: string; headers: Record<string, string> }

const textsOf = (value: unknown): Record<string, string> =>
  isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)])) : {}

/** Parses the servers of a request as MCP clients write them, with a warning for each invalid one. */
export const mcpServersOf = (
  given: Readonly<Record<string, unknown>> | undefined,
): { servers: McpServer[]; warnings: string[] } => {
  const servers: McpServer[] = []
  const warnings: string[] = []
  for (const [name, value] of Object.entries(given ?? {})) {
    const server = isObject(value) ? serverOf(name, value) : undefined
    if (server) servers.push(server)
    else warnings.push(`The MCP server '${name}' has neither a command nor a url, and is ignored.`)
  }
  return { servers, warnings }
}

const serverOf = (name: string, value: Record<string, unknown>): McpServer | undefined => {
  const url = value.url ?? value.httpUrl
  if (typeof url === 'string') {
    const transport = value.type === 'sse' ? 'sse' : 'http'
    return { name, transport, url, headers: textsOf(value.headers) }
  }
  const [command, ...rest] = Array.isArray(value.command) ? value.command.map(String) : [value.command]
  if (typeof command !== 'string' || !command) return undefined
  const args = Array.isArray(value.args) ? value.args.map(String) : []
  return { name, command, args: [...rest.map(String), ...args], env: textsOf(value.env ?? value.environment) }
}
