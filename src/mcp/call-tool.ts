import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { z } from 'zod'
import { isObject, parsedJson } from '../lib/json/json-object.ts'
import { issueText } from '../lib/text/issue-text.ts'
import { nearest } from '../lib/text/nearest.ts'
import { structured, typesOf } from './output-schema.ts'
import { shortJson } from './shorten.ts'
import type { Tool, ToolContext, ToolOutcome } from './tool.ts'
import { toolErrorText, wrongArguments } from './tool-error.ts'

/** Characters of a result: about 8,000 tokens. Common clients warn above 10,000 tokens and cut above 25,000. */
const longestResult = 30_000

const failed = (text: string): CallToolResult => ({ isError: true, content: [{ type: 'text', text }] })

const shown = ({ output }: Tool, { value, image, rest }: ToolOutcome): CallToolResult => {
  const { text, value: short, isCut } = shortJson(value, longestResult)
  return {
    structuredContent: structured(output, short),
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

/** Reads JSON in a text, if it is of the kind that is wanted. */
const parsedAs = (text: string, isWanted: (value: unknown) => boolean): unknown => {
  const value = parsedJson(text)
  return isWanted(value) ? value : undefined
}

/**
 * Arguments as models send them: one value where a list of values is wanted, and a list or an object as its JSON text. What
 * these mean is not in doubt.
 */
const meantArguments = ({ input }: Tool, args: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(args).map(([name, value]) => {
      const schema: unknown = input.shape[name]
      if (typeof value !== 'string' || !schema) return [name, value]
      const types = typesOf(schema)
      if (types?.has('string') !== false) return [name, value]
      if (types.has('array')) return [name, parsedAs(value, Array.isArray) ?? [value]]
      return [name, types.has('object') ? (parsedAs(value, isObject) ?? value) : value]
    }),
  )

/** Calls a tool. Whatever goes wrong is a result that says so, since models read results; only a cancelled call throws. */
export const callTool = async (
  tool: Tool,
  given: Record<string, unknown>,
  context: ToolContext,
): Promise<CallToolResult> => {
  const args = meantArguments(tool, given)
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
    return shown(tool, await tool.run(context, args))
  } catch (error) {
    context.signal.throwIfAborted()
    return failed(toolErrorText(tool, args, error))
  }
}
