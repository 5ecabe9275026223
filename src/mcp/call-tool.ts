import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { z } from 'zod'
import { issueText } from '../lib/text/issue-text.ts'
import { nearest } from '../lib/text/nearest.ts'
import { shortJson } from './shorten.ts'
import type { Tool, ToolContext, ToolOutcome } from './tool.ts'
import { toolErrorText, wrongArguments } from './tool-error.ts'

/** Characters of a result: about 8,000 tokens. Common clients warn above 10,000 tokens and cut above 25,000. */
const longestResult = 30_000

const failed = (text: string): CallToolResult => ({ isError: true, content: [{ type: 'text', text }] })

const shown = ({ value, image, rest }: ToolOutcome): CallToolResult => {
  const { text, isCut } = shortJson(value, longestResult)
  return {
    content: [
      { type: 'text', text },
      ...(image ? [{ type: 'image' as const, data: image.base64, mimeType: image.mimeType }] : []),
      ...(isCut
        ? [
            {
              type: 'text' as const,
              text: `Shortened to ${longestResult} characters.${rest ? ` The rest: ${rest}` : ''}`,
            },
          ]
        : []),
    ],
  }
}

const faultText = (issue: z.core.$ZodIssue, tool: Tool): string => {
  if (issue.code !== 'unrecognized_keys') return `${issue.path.join('.') || 'arguments'}: ${issueText(issue)}`
  const names = issue.keys.map((key) => {
    const likely = nearest(key, Object.keys(tool.input.shape))
    return `${key}${likely ? ` (did you mean ${likely}?)` : ''}`
  })
  return `unknown ${names.join(', ')}`
}

/** Calls a tool. Whatever goes wrong is a result that says so, since models read results; only a cancelled call throws. */
export const callTool = async (
  tool: Tool,
  args: Record<string, unknown>,
  context: ToolContext,
): Promise<CallToolResult> => {
  const checked = tool.input.safeParse(args)
  if (!checked.success) {
    return failed(
      wrongArguments(
        tool,
        checked.error.issues.slice(0, 10).map((issue) => faultText(issue, tool)),
      ),
    )
  }
  try {
    return shown(await tool.run(context, args))
  } catch (error) {
    context.signal.throwIfAborted()
    return failed(toolErrorText(tool, args, error))
  }
}
