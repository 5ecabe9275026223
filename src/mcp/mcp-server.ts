import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import {
  CallToolRequestSchema,
  ElicitResultSchema,
  ErrorCode,
  ListResourcesRequestSchema,
  type ListResourcesResult,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  type ReadResourceResult,
  type Resource,
  type ServerNotification,
  type ServerRequest,
  type Tool as ToolDescription,
} from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { contract } from '../api/contract.ts'
import type { Caller } from '../client/client.ts'
import { AppError, toAppError } from '../lib/errors.ts'
import { isObject } from '../lib/json/json-object.ts'
import { readWhole } from '../lib/memory/byte-blocks.ts'
import { nearest } from '../lib/text/nearest.ts'
import { readTrace, type TraceHeaders, traceHeaders } from '../lib/text/trace-context.ts'
import { version } from '../lib/version.ts'
import type { AccessLevelName } from '../model/collections/identity.ts'
import { callTool } from './call-tool.ts'
import { outputSchema } from './endpoint-tool.ts'
import { explainRun } from './explain-run.ts'
import { shortJson } from './shorten.ts'
import type { AskPerson, OperationName, Tool, ToolContext } from './tool.ts'
import { datasetTools, fileTools } from './tools/files.ts'
import { hookTools } from './tools/hooks.ts'
import { runTools, stepTools } from './tools/runs.ts'
import { approvalTools, eventTools, startTools } from './tools/starts.ts'
import { collectionTools, routineTools, taskTools } from './tools/tasks.ts'

/** Tasks of one page. */
const tasksOfPage = 100
/** Collections whose newest runs stand on one page, and how many runs of each. */
const collectionsOfPage = 10
const runsOfCollection = 20

interface DocGroups {
  groups: { title: string; pages: { page: string; title: string }[] }[]
}
interface ListedTask {
  collection_name: string
  name: string
  description: string | null
}
interface ListedRuns {
  runs: { task: string; trajectory_id: string; status: string; error: string | null; created: string }[]
}

/** Lists the pages that the server shows at /docs. A server without documentation has none. */
const listPages = async ({ call }: ToolContext): Promise<Resource[]> => {
  try {
    const { groups } = (await call('listDocs', {})) as DocGroups
    return groups.flatMap(({ title: group, pages }) =>
      pages.map(({ page, title }) => ({
        ...{ uri: `jetty://docs/${page}`, name: `docs/${page}`, title, description: group },
        mimeType: 'text/markdown',
      })),
    )
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return []
    throw error
  }
}

const listTasks = async ({ call }: ToolContext, skip: number): Promise<ListResourcesResult> => {
  const tasks = (await call('listAllTasks', { query: { skip, limit: tasksOfPage } })) as ListedTask[]
  return {
    resources: tasks.map(({ collection_name: collection, name, description }) => ({
      uri: `jetty://tasks/${collection}/${name}`,
      name: `${collection}/${name}`,
      ...(description && { description: description.slice(0, 200) }),
      mimeType: 'application/json',
    })),
    nextCursor: tasks.length < tasksOfPage ? 'runs 0' : `tasks ${skip + tasksOfPage}`,
  }
}

/** Lists the newest runs of a collection. */
const runsOf = async ({ call }: ToolContext, collection: string): Promise<Resource[]> => {
  const found = await call('listCollectionRuns', { params: { collection }, query: { limit: runsOfCollection } })
  return (found as ListedRuns).runs.map(({ task, trajectory_id: id, status, error, created }) => ({
    uri: `jetty://runs/${collection}/${task}/${id}`,
    name: `${collection}/${task}/${id}`,
    description: `${status}, ${created}${error === null ? '' : `: ${error.slice(0, 200)}`}`,
    mimeType: 'application/json',
  }))
}

const listRuns = async (context: ToolContext, skip: number): Promise<ListResourcesResult> => {
  const query = { skip, limit: collectionsOfPage }
  const collections = (await context.call('listCollections', { query })) as { name: string }[]
  const runs = await Promise.all(collections.map(({ name }) => runsOf(context, name)))
  const isLast = collections.length < collectionsOfPage
  return { resources: runs.flat(), ...(!isLast && { nextCursor: `runs ${skip + collectionsOfPage}` }) }
}

/**
 * Lists the resources of a key, page by page: the documentation with the first tasks, the other tasks, then the newest
 * runs of each collection.
 */
const listResources = async (context: ToolContext, cursor?: string): Promise<ListResourcesResult> => {
  if (cursor === undefined) {
    const [pages, tasks] = await Promise.all([listPages(context), listTasks(context, 0)])
    return { ...tasks, resources: [...pages, ...tasks.resources] }
  }
  const [, kind, skip = ''] = /^(tasks|runs) (\d{1,9})$/.exec(cursor) ?? []
  if (kind === 'tasks') return listTasks(context, Number(skip))
  if (kind === 'runs') return listRuns(context, Number(skip))
  throw new McpError(ErrorCode.InvalidParams, 'Unknown cursor: pass the nextCursor of the page before, unchanged')
}

/** Bytes of one answer of the API that a tool reads. */
const largestAnswer = 4 * 1024 * 1024

const tooLarge = (): AppError =>
  new AppError('too_large', `The answer has more than ${largestAnswer} bytes`, {
    hint: 'Ask for a part of it.',
  })

/** Reads a body whole, up to the limit. */
export const responseText = async (response: Response): Promise<string> => {
  if (!response.body) return ''
  const body = response.body as unknown as AsyncIterable<Uint8Array>
  return (await readWhole(body, largestAnswer, tooLarge)).toString('utf8')
}

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

/** The trace that a call belongs to: `_meta` of the message has it, or the headers of its HTTP request. */
const traceOf = ({ _meta: meta = {}, requestInfo }: Extra): TraceHeaders =>
  traceHeaders(readTrace(meta) ?? readTrace(requestInfo?.headers ?? {}))

/** The calls of a tool, made as its caller, and given up when the tool is cancelled. */
const apiCalls = (caller: Caller, extra: Extra): Pick<ToolContext, 'call' | 'open'> => {
  const { signal } = extra
  const open: ToolContext['open'] = async (operation, { headers, ...input }) => {
    const sent = { signal, ...input, headers: { ...traceOf(extra), ...headers }, asResponse: true }
    return (await caller(operation, sent)) as Response
  }
  return {
    open,
    call: async (operation, input) => {
      const text = await responseText(await open(operation, input))
      return text === '' ? null : JSON.parse(text)
    },
  }
}

/** Characters of a resource. */
const longestResource = 60_000
/** Names of pages of the documentation, such as `workflows` or `reference/api`. */
const pageName = /^[\w-]+(\/[\w-]+)*$/

/** Kinds of resources, for clients that fill in the names. */
const resourceTemplates = [
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
const readResource = async (context: ToolContext, uri: string): Promise<ReadResourceResult> => {
  try {
    return { contents: [{ uri, ...(await readParts(context, uri)) }] }
  } catch (error) {
    throw error instanceof McpError ? error : unknown(uri, toAppError(error).message)
  }
}

/** All tools, in the order in which a client lists them. */
const allTools: readonly Tool[] = [
  ...collectionTools,
  ...taskTools,
  ...startTools,
  ...runTools,
  ...stepTools,
  ...fileTools,
  ...datasetTools,
  ...approvalTools,
  ...eventTools,
  ...routineTools,
  ...hookTools,
]

const writes = (operation: OperationName): boolean => ['write', 'worker', 'admin'].includes(contract[operation].access)

/** Whether a tool changes nothing: no operation that it calls does. */
export const readsOnly = (tool: Tool): boolean => !tool.operations.some(writes)

/** The tools of a caller. READ keys see those that only read; the API checks every call once more. */
export const toolsFor = (access: AccessLevelName | undefined, folder: string | undefined): Tool[] =>
  allTools.filter((tool) => (access !== 'READ' || readsOnly(tool)) && (folder !== undefined || !tool.needsFolder))

interface McpServerOptions {
  /** Calls the API as the caller. */
  caller: Caller
  /** Access level of the caller; undefined when it is not known. */
  access: () => Promise<AccessLevelName | undefined>
  /** Whether the client can show a form to the person. */
  canAsk: () => boolean
  /** Folder whose files tools may send and write; undefined: none. */
  folder: string | undefined
}

const instructions = `Jetty runs workflows and runbooks durably and records every step.
A collection holds tasks; a task holds a workflow; a run of it is called a trajectory.
Begin with list-collections. To run: run-and-wait. When a run failed: explain-run; its \`next\` says how to fix it.
To change a workflow: get-task, validate-workflow until it is valid, update-task, then rerun-run with version=current.
Results are shortened when they are long, and say which call returns the rest.`

/** Maximum time in which a person may answer a form. */
const formMs = 10 * 60_000
const progressMs = 200

const makeProgress = (extra: Extra): ToolContext['progress'] => {
  const progressToken = extra._meta?.progressToken
  let last = 0
  return (progress, total, message) => {
    if (progressToken === undefined || Date.now() - last < progressMs) return
    last = Date.now()
    const params = { progressToken, progress, ...(total !== undefined && { total }), message: message.slice(0, 300) }
    void extra.sendNotification({ method: 'notifications/progress', params }).catch(() => {})
  }
}

const makeAskPerson =
  (extra: Extra): AskPerson =>
  async (message, properties, required) => {
    const requestedSchema = { type: 'object', properties, required }
    const params = { mode: 'form', message: message.slice(0, 2_000), requestedSchema }
    const request = { method: 'elicitation/create', params } as ServerRequest
    return extra.sendRequest(request, ElicitResultSchema, { timeout: formMs, signal: extra.signal })
  }

const isEmpty = (schema: unknown): boolean => isObject(schema) && Object.keys(schema).length === 0

/** The JSON Schema of the arguments: only what a model reads. */
const inputSchema = ({ input }: Tool): ToolDescription['inputSchema'] => {
  const { $schema: _, ...schema } = z.toJSONSchema(input, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ jsonSchema }) => {
      // A refused call states bounds and patterns.
      delete jsonSchema.minimum
      delete jsonSchema.maximum
      delete jsonSchema.pattern
      delete jsonSchema.minLength
      delete jsonSchema.maxLength
      delete jsonSchema.propertyNames
      delete jsonSchema.id
      if (isEmpty(jsonSchema.properties)) delete jsonSchema.properties
      if (isEmpty(jsonSchema.additionalProperties)) delete jsonSchema.additionalProperties
    },
  })
  return schema as ToolDescription['inputSchema']
}

const described = (tool: Tool): ToolDescription => {
  const isReading = readsOnly(tool)
  const methods = tool.operations.map((operation) => contract[operation].method)
  return {
    name: tool.name,
    title: tool.title,
    description: tool.description,
    inputSchema: inputSchema(tool),
    outputSchema: outputSchema(tool.output),
    annotations: {
      readOnlyHint: isReading,
      destructiveHint: tool.isDestructive,
      idempotentHint: isReading || methods.every((method) => ['GET', 'PUT', 'PATCH', 'DELETE'].includes(method)),
      openWorldHint: tool.operations.some((operation) => contract[operation].tag === 'Runs') && !isReading,
    },
  }
}

const unknownTool = (name: string, tools: readonly Tool[], access: AccessLevelName | undefined): McpError => {
  const isHidden = toolsFor(undefined, undefined).some((tool) => tool.name === name)
  const likely = nearest(
    name,
    tools.map((tool) => tool.name),
  )
  const why =
    isHidden && access === 'READ'
      ? 'this key may only read; ask the person for one with WRITE access'
      : likely
        ? `did you mean ${likely}?`
        : 'tools/list names them all'
  return new McpError(ErrorCode.InvalidParams, `No tool ${name.slice(0, 100)}: ${why}`)
}

/** Makes the server of one client: tools and resources over the API, as the caller whose key it has. */
export const makeMcpServer = ({ caller, access, canAsk, folder }: McpServerOptions): Server => {
  const server = new Server(
    { name: 'jetty', title: 'Jetty', version },
    { capabilities: { tools: {}, resources: {} }, instructions },
  )
  const contextOf = (extra: Extra): ToolContext => ({
    ...apiCalls(caller, extra),
    signal: extra.signal,
    progress: makeProgress(extra),
    askPerson: canAsk() ? makeAskPerson(extra) : undefined,
    folder,
  })
  server.setRequestHandler(ListToolsRequestSchema, async () => ({
    tools: toolsFor(await access(), folder).map(described),
  }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const level = await access()
    const tools = toolsFor(level, folder)
    const tool = tools.find(({ name }) => name === params.name)
    if (!tool) throw unknownTool(params.name, tools, level)
    return callTool(tool, params.arguments ?? {}, contextOf(extra))
  })
  server.setRequestHandler(ListResourcesRequestSchema, async ({ params }, extra) =>
    listResources(contextOf(extra), params?.cursor),
  )
  server.setRequestHandler(ListResourceTemplatesRequestSchema, async () => ({ resourceTemplates }))
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params }, extra) =>
    readResource(contextOf(extra), params.uri),
  )
  return server
}
