// docs/reference/mcp-tools.md: every tool of the MCP server with a call and its answer, as test/integration/mcp made them.
import { readsOnly, toolsFor } from '../src/mcp/mcp-server.ts'
import { code, notedPage, table } from './markdown.ts'

/** A call of a tool in test/integration/mcp/every-tool.test.ts. */
export interface ToolCall {
  tool: string
  args: unknown
  answer: unknown
  /** Whether setups of the hosted service know the tool. */
  isKnown: boolean
}

const longestAsked = 110
const longestAnswered = 150

/** JSON of a value on one line, without what differs from run to run. */
const shown = (value: unknown, longest: number): string => {
  const text = (typeof value === 'string' ? value : JSON.stringify(value))
    .replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z\b/g, '…')
    .replace(/http:\/\/127\.0\.0\.1:\d+/g, 'http://localhost:7070')
    .replace(/\b(?=[0-9a-f-]*\d)[0-9a-f]{8}(-[0-9a-f-]{27})?\b/g, '…')
    .replace(/\b[0-9a-f]{32}\b/g, '…')
    .replace(/\/tmp\/\S*?jetty-mcp-\w+/g, '/home/me')
    .replace(/\bjob-(http|stdio)\b/g, 'job')
    .replace(/("(?:id|collection_id|size|seconds|duration_seconds|avg_\w+)":)[\d.]+/g, '$1…')
    .replaceAll('`', '')
  return code(text.length > longest ? `${text.slice(0, longest - 1)}…` : text)
}

/** Writes the page from the calls; of each tool the first one counts. */
export const mcpPage = (calls: readonly ToolCall[]): string => {
  const first = new Map<string, ToolCall>()
  for (const call of calls) if (!first.has(call.tool)) first.set(call.tool, call)
  const tools = toolsFor(undefined, '.')
  const rowsOf = (isKnown: boolean): string[][] =>
    tools.flatMap((tool) => {
      const call = first.get(tool.name)
      if (!call || call.isKnown !== isKnown) return []
      const level = readsOnly(tool) ? 'READ' : 'WRITE'
      return [[code(tool.name), level, shown(call.args, longestAsked), shown(call.answer, longestAnswered)]]
    })
  const heads = ['Tool', 'Key', 'Asked', 'Answered']
  const [known, others] = [rowsOf(true), rowsOf(false)]
  return notedPage(
    '<!-- Written by `npm run compat` from test/integration/mcp; changes here are lost. -->',
    'MCP tools',
    'Every tool of [the MCP server](../mcp.md), with the arguments that a test sent over the SDK and the beginning of the answer. ' +
      'The same calls pass over both transports. Ids and times are left out.',
    `## The ${known.length} tools that setups of the hosted service know`,
    table(heads, known),
    `## ${others.length} more tools`,
    table(heads, others),
  )
}
