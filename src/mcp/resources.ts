import { readdir, readFile } from 'node:fs/promises'
import { ErrorCode, McpError, type ReadResourceResult, type Resource } from '@modelcontextprotocol/sdk/types.js'
import { toAppError } from '../lib/errors.ts'
import { explainRun } from './explain-run.ts'
import { shortJson } from './shorten.ts'
import type { ToolContext } from './tool.ts'

/** Characters of a resource. */
const longestResource = 60_000
/** Tasks that the list of resources names. */
const listedTasks = 100

const docsFolder = new URL('../../docs/', import.meta.url)

let pages: Promise<ReadonlySet<string>> | undefined

/** Names of the pages of the documentation; a package without them has none. */
const docPages = (): Promise<ReadonlySet<string>> => {
  pages ??= readdir(docsFolder).then(
    (names) => new Set(names.filter((name) => name.endsWith('.md')).map((name) => name.slice(0, -3))),
    () => new Set<string>(),
  )
  return pages
}

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
    uriTemplate: 'jetty://docs/{page}',
    name: 'docs',
    description: 'A page of the documentation, such as workflows, paths, control-flow, runbooks or secrets.',
    mimeType: 'text/markdown',
  },
]

/** Lists the pages of the documentation and the first tasks that the key covers. */
export const listResources = async ({ call }: ToolContext): Promise<Resource[]> => {
  const [docs, tasks] = await Promise.all([docPages(), call('listAllTasks', { query: { limit: listedTasks } })])
  return [
    ...[...docs].sort().map((page) => ({
      uri: `jetty://docs/${page}`,
      name: `docs/${page}`,
      mimeType: 'text/markdown',
    })),
    ...(tasks as { collection_name: string; name: string; description: string | null }[]).map((task) => ({
      uri: `jetty://tasks/${task.collection_name}/${task.name}`,
      name: `${task.collection_name}/${task.name}`,
      ...(task.description && { description: task.description.slice(0, 200) }),
      mimeType: 'application/json',
    })),
  ]
}

const unknown = (uri: string, message: string): McpError =>
  new McpError(ErrorCode.InvalidParams, `No resource ${uri.slice(0, 300)}: ${message}`)

const readParts = async (context: ToolContext, uri: string): Promise<{ text: string; mimeType: string }> => {
  const [kind, ...names] = uri
    .replace(/^jetty:\/\//, '')
    .split('/')
    .map(decodeURIComponent)
  const [collection = '', task = '', trajectory_id = ''] = names
  const json = (value: unknown) => ({ text: shortJson(value, longestResource).text, mimeType: 'application/json' })
  if (kind === 'docs' && names.length === 1) {
    if (!(await docPages()).has(collection)) throw unknown(uri, 'there is no such page; list the resources')
    const text = await readFile(new URL(`${collection}.md`, docsFolder), 'utf8')
    return { text: text.slice(0, longestResource), mimeType: 'text/markdown' }
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
