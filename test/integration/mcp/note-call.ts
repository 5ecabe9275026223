import { appendFileSync } from 'node:fs'

/** File that `npm run compat` collects the calls in, one JSON object a line. */
const outcomes = process.env.MCP_OUTCOMES

/** Notes a call of a tool and its answer for docs/reference/mcp-tools.md. */
export const noteCall = (tool: string, args: unknown, answer: unknown, isKnown: boolean): void => {
  if (outcomes !== undefined) appendFileSync(outcomes, `${JSON.stringify({ tool, args, answer, isKnown })}\n`)
}
