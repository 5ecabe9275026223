import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { type Agent, type AgentReader, type AgentTask, programOf } from './agent.ts'
import { claude, gemini, gpt } from './default-models.ts'
import { makeReader, type ReaderState, type Scrub, textOf } from './events.ts'
import { type McpServer, mcpServersOf } from './mcp-servers.ts'

const tokenVariable = 'JETTY_MODEL_TOKEN'

export const opencode: Agent = {
  id: 'opencode',
  models: {
    providers: ['openrouter', 'anthropic', 'openai', 'google'],
    preferred: ['openrouter', 'anthropic', 'openai', 'google'],
    defaults: { ...claude, openai: gpt.openai, google: gemini.google },
  },
  modelPattern: undefined,
  package: {
    name: 'opencode-ai',
    version: '1.18.33',
    programs: [
      'node_modules/opencode-{system}/bin/opencode',
      'node_modules/opencode-{system}-musl/bin/opencode',
      'node_modules/opencode-{system}-baseline/bin/opencode',
      'node_modules/opencode-{system}-baseline-musl/bin/opencode',
    ],
  },
  launch(task) {
    const { servers, warnings } = mcpServersOf(task.mcpServers)
    return {
      argv: [programOf(task.places), 'run', '--format', 'json', '--auto', '--title', 'run'],
      env: {
        OPENCODE_CONFIG_CONTENT: JSON.stringify(configOf(task, servers)),
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_DISABLE_AUTOUPDATE: '1',
        OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
        OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
        [tokenVariable]: task.token,
      },
      files: [],
      stdin: task.prompt,
      warnings,
    }
  },
  reader: (scrub) => makeOpencodeReader(scrub),
}

/** SDK package of each provider; unlisted ones use chat completions. */
const packages: Readonly<Record<string, { npm: string; path: string }>> = {
  anthropic: { npm: '@ai-sdk/anthropic', path: '/v1' },
  openai: { npm: '@ai-sdk/openai', path: '/v1' },
  google: { npm: '@ai-sdk/google', path: '/v1beta' },
}
const chat = { npm: '@ai-sdk/openai-compatible', path: '/v1' }

const configOf = ({ model, provider }: AgentTask, servers: McpServer[]): JsonObject => {
  const { npm, path } = packages[provider] ?? chat
  const name = provider === 'google' ? model.replace(/^models\//, '') : model
  return {
    autoupdate: false,
    share: 'disabled',
    model: `jetty/${name}`,
    small_model: `jetty/${name}`,
    permission: { '*': 'allow' },
    provider: {
      jetty: {
        npm,
        name: 'jetty',
        options: { baseURL: `${inside.gatewayUrl}${path}`, apiKey: `{env:${tokenVariable}}` },
        models: { [name]: {} },
      },
    },
    mcp: Object.fromEntries(servers.map((server) => [server.name, mcpEntry(server)])),
  }
}

const mcpEntry = (server: McpServer): JsonObject =>
  'command' in server
    ? { type: 'local', command: [server.command, ...server.args], environment: server.env, enabled: true }
    : { type: 'remote', url: server.url, headers: server.headers, enabled: true }

const denial = /rejected permission|permission (was )?(denied|rejected)|prevents you from using/i

/** It has no final event: its last step's finish reason counts as the end, unless an error came. */
const makeOpencodeReader = (scrub: Scrub): AgentReader => {
  /** Finish reason of the last step when it is not an end: another step may follow. */
  let stopped: string | undefined
  return makeReader(
    scrub,
    (line, reading) => {
      const part = isObject(line.part) ? line.part : {}
      if (line.type === 'step_start') reading.goOn()
      else if (line.type === 'text') reading.say(textOf(part.text))
      else if (line.type === 'tool_use') readTool(part, reading)
      else if (line.type === 'step_finish') {
        stopped = part.reason === 'stop' ? undefined : textOf(part.reason)
        if (stopped === undefined) reading.end(true, 'stop')
      } else if (line.type === 'error') {
        const reason = errorOf(line.error)
        reading.fail(reason)
        reading.end(false, reason)
      }
    },
    (reading) => {
      // If opencode is interrupted after tool results, it reports no error and is not done.
      if (stopped === undefined || stopped === 'tool-calls') return
      reading.fail(`the model stopped in its last step: ${stopped}`)
      reading.end(false, stopped)
    },
  )
}

const readTool = (part: JsonObject, reading: ReaderState): void => {
  const state = isObject(part.state) ? part.state : {}
  const output = textOf(state.output ?? state.error)
  if (state.status === 'error' && denial.test(output)) reading.deny()
  reading.call(part.callID, part.tool, state.input)
  reading.result(part.callID, output, state.status === 'error' || exitOf(state) !== 0)
}

const exitOf = (state: JsonObject): unknown => (isObject(state.metadata) ? (state.metadata.exit ?? 0) : 0)

const errorOf = (error: unknown): string => {
  if (!isObject(error)) return textOf(error)
  return textOf(isObject(error.data) ? (error.data.message ?? error.data) : (error.message ?? error.name ?? error))
}
