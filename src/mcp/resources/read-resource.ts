import { ErrorCode, McpError, type ReadResourceResult } from '@modelcontextprotocol/sdk/types.js'
import { toAppError } from '../../lib/errors.ts'
import { responseText } from '../api-calls.ts'
import { explainRun } from '../explain-run.ts'
import { shortJson } from '../shorten.ts'
import type { ToolContext } from '../tool.ts'

/** Characters of a resource. */
const longestResource = 60_000
/** Names of pages of the documentation, such as `workflows` or `reference/api`. */
const pageName = /^[\w-]+(\/[\w-]+)*$/

/** Kinds of resources, for clients that fill in the names. */
export const resourceTemplates = [
  {
    uriTemplate: 'jetty://tasks/{collection}/{task}',
    name: 'task',
    description: 'A task with its workflow.',
    mimeType: 'application/json',
  },
  {
    uriTemplate: 'jetty://runs/{collection}/{task}/{trajectory_id}',
    name: 'run',
    description: 'A run: its state, why it failed, and what to do next.',
    mimeType: 'application/json',
  },
  {
    uriTemplate: 'jetty://docs/{+page}',
    name: 'docs',
    description: 'A page of the documentation, such as workflows, control-flow or reference/activities.',
    mimeType: 'text/markdown',
  },
]

const unknown = (uri: string, message: string): McpError =>
  new McpError(ErrorCode.InvalidParams, `No resource ${uri.slice(0, 300)}: ${message}`)

/** Reads a page of the documentation. A long one ends with where the rest is. */
const pageText = async ({ open }: ToolContext, page: string): Promise<string> => {
  const text = await responseText(await open('getDocsPage', { params: { page } }))
  if (text.length <= longestResource) return text
  return `${text.slice(0, longestResource)}\n\n(Shortened from ${text.length} characters: the server has all at /docs/${page}.md)\n`
}

const readParts = async (context: ToolContext, uri: string): Promise<{ text: string; mimeType: string }> => {
  const [kind, ...names] = uri
    .replace(/^jetty:\/\//, '')
    .split('/')
    .map(decodeURIComponent)
  const [collection = '', task = '', trajectory_id = ''] = names
  const json = (value: unknown) => ({ text: shortJson(value, longestResource).text, mimeType: 'application/json' })
  if (kind === 'docs' && names.length > 0) {
    const page = names.join('/')
    if (!pageName.test(page)) throw unknown(uri, 'there is no such page; list the resources')
    return { text: await pageText(context, page), mimeType: 'text/markdown' }
  }
  if (kind === 'tasks' && names.length === 2)
    return json(await context.call('getTask', { params: { collection, task } }))
  if (kind === 'runs' && names.length === 3) return json(await explainRun(context, { collection, task, trajectory_id }))
  throw unknown(uri, `expected ${resourceTemplates.map(({ uriTemplate }) => uriTemplate).join(', ')}`)
}

/** Reads a resource. Throws an error of the protocol for one that does not exist, or that the key does not cover. */
export const readResource = async (context: ToolContext, uri: string): Promise<ReadResourceResult> => {
  try {
    return { contents: [{ uri, ...(await readParts(context, uri)) }] }
  } catch (error) {
    throw error instanceof McpError ? error : unknown(uri, toAppError(error).message)
  }
}
