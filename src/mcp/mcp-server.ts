import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import {
  CallToolRequestSchema,
  ElicitResultSchema,
  ErrorCode,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  type ServerNotification,
  type ServerRequest,
  type Tool as ToolDescription,
} from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { contract } from '../api/contract.ts'
import type { Caller } from '../client/client.ts'
import { nearest } from '../lib/text/nearest.ts'
import { version } from '../lib/version.ts'
import type { AccessLevelName } from '../model/collections/identity.ts'
import { apiCalls } from './api-calls.ts'
import { callTool } from './call-tool.ts'
import { outputSchema } from './output-schema.ts'
import { listResources } from './resources/list-resources.ts'
import { readResource, resourceTemplates } from './resources/read-resource.ts'
import type { AskPerson, Tool, ToolContext } from './tool.ts'
import { readsOnly, toolsFor } from './tools.ts'

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

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

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

/** The JSON Schema of the arguments: only what a model reads. */
const inputSchema = ({ input }: Tool): ToolDescription['inputSchema'] => {
  const { $schema: _, ...schema } = z.toJSONSchema(input, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ jsonSchema }) => {
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      delete jsonSchema.propertyNames
      delete jsonSchema.id
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
      title: tool.title,
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
    ...apiCalls(caller, extra.signal),
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
