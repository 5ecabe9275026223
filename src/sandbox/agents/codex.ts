import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { type Agent, type AgentReader, programOf } from './agent.ts'
import { gpt } from './default-models.ts'
import { makeReader, type ReaderState, type Scrub, textOf } from './events.ts'
import { type McpServer, mcpServersOf } from './mcp-servers.ts'

/** Writes a value as TOML on one line: JSON strings are TOML strings, objects become inline tables. */
const tomlValue = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(', ')}]`
  if (isObject(value)) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined && member !== null)
    return `{ ${members.map(([name, member]) => `${tomlValue(name)} = ${tomlValue(member)}`).join(', ')} }`
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return JSON.stringify(String(value)).replaceAll('\x7f', '\\u007F')
}

const tokenVariable = 'JETTY_MODEL_TOKEN'

export const codex: Agent = {
  id: 'codex',
  models: { providers: ['openai', 'openrouter'], preferred: ['openai', 'openrouter'], defaults: gpt },
  modelPattern: /^(gpt|o[134])-/i,
  package: {
    name: '@openai/codex',
    version: '0.169.0',
    programs: ['node_modules/@openai/codex-{system}/vendor/{triple}/bin/codex'],
  },
  launch(task) {
    const { servers, warnings } = mcpServersOf(task.mcpServers)
    const places = task.places ?? inside
    const folder = `${places.home}/.codex`
    return {
      argv: [
        programOf(places),
        ...['exec', '--json', '--skip-git-repo-check', '--ephemeral', '--disable', 'plugins'],
        ...['--dangerously-bypass-approvals-and-sandbox', '--model', task.model],
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${tomlValue(value)}`]),
        '-', // the prompt comes on standard input
      ],
      env: { CODEX_HOME: folder, [tokenVariable]: task.token },
      files: [{ path: `${folder}/config.toml`, text: servers.map(mcpTable).join('\n') }],
      stdin: task.prompt,
      warnings,
    }
  },
  reader: (scrub) => makeCodexReader(scrub),
}

const settings = {
  model_provider: 'jetty',
  'model_providers.jetty': {
    name: 'jetty',
    base_url: `${inside.gatewayUrl}/v1`,
    env_key: tokenVariable,
    wire_api: 'responses',
    request_max_retries: 3,
    stream_max_retries: 2,
  },
  check_for_update_on_startup: false,
  'analytics.enabled': false,
  // Lets commands see the variables of the runbook's secrets, which it would withhold because of their names.
  'shell_environment_policy.inherit': 'all',
  'shell_environment_policy.ignore_default_excludes': true,
}

const mcpTable = (server: McpServer): string => {
  const { name, ...rest } = server
  const members =
    'command' in rest
      ? { command: rest.command, args: rest.args, env: rest.env }
      : { url: rest.url, http_headers: rest.headers }
  const lines = Object.entries(members).map(([member, value]) => `${member} = ${tomlValue(value)}`)
  return [`[mcp_servers.${tomlValue(name)}]`, ...lines, ''].join('\n')
}

/** Messages of its own sandbox when it cannot be created inside ours. */
const nestedSandbox = /\bbwrap:|sandbox.*(denied|failed)|landlock/i

const makeCodexReader = (scrub: Scrub): AgentReader => {
  let succeeded = 0
  let sandboxed = 0
  let lastError = ''

  /** Started items; one that is only reported at its end, such as a search, starts then. */
  const begun = new Set<string>()

  const readItem = (phase: unknown, item: JsonObject, reading: ReaderState): void => {
    const read = items[textOf(item.type)]
    if (!read) return
    const id = textOf(item.id)
    const isCompleted = phase === 'item.completed'
    if (!isCompleted) begun.add(id)
    else if (!begun.delete(id)) read(false, item, reading)
    read(isCompleted, item, reading)
  }
  const command = (isCompleted: boolean, item: JsonObject, reading: ReaderState): void => {
    if (!isCompleted) {
      reading.call(item.id, 'shell', { command: item.command })
      return
    }
    const isError = item.status !== 'completed' || item.exit_code !== 0
    const output = textOf(item.aggregated_output)
    if (item.status === 'declined') reading.deny()
    else if (!isError) succeeded++
    else if (nestedSandbox.test(output)) sandboxed++
    reading.result(item.id, output || (isError ? textOf(item.status) : ''), isError)
  }
  const other =
    (name: string, inputOf: (item: JsonObject) => unknown, outputOf: (item: JsonObject) => unknown) =>
    (isCompleted: boolean, item: JsonObject, reading: ReaderState): void => {
      if (!isCompleted) {
        reading.call(item.id, name, inputOf(item))
        return
      }
      const isError = item.status === 'failed' || item.status === 'declined'
      if (item.status === 'declined') reading.deny()
      else if (!isError) succeeded++
      reading.result(item.id, textOf(outputOf(item)), isError)
    }
  const items: Record<string, (isCompleted: boolean, item: JsonObject, reading: ReaderState) => void> = {
    command_execution: command,
    file_change: other(
      'apply_patch',
      (item) => ({ changes: item.changes }),
      (item) => item.changes,
    ),
    mcp_tool_call: other(
      'mcp',
      (item) => ({ server: item.server, tool: item.tool, arguments: item.arguments }),
      (item) => item.error ?? item.result,
    ),
    web_search: other(
      'web_search',
      (item) => ({ query: item.query }),
      (item) => item.action ?? '',
    ),
    agent_message: (isCompleted, item, reading) => {
      if (isCompleted) reading.say(textOf(item.text))
    },
    // For example, a model whose limits it does not know.
    error: (isCompleted, item, reading) => {
      if (isCompleted) reading.warn(textOf(item.message))
    },
  }
  return makeReader(scrub, (line, reading) => {
    if ((line.type === 'item.started' || line.type === 'item.completed') && isObject(line.item)) {
      readItem(line.type, line.item, reading)
    } else if (line.type === 'error') {
      // Includes errors that it retries; the end of the turn says whether that helped.
      lastError = textOf(line.message)
      reading.warn(lastError)
    } else if (line.type === 'turn.failed') {
      const reason = textOf(line.error) || lastError || 'the turn failed'
      reading.fail(reason)
      reading.end(false, reason)
    } else if (line.type === 'turn.completed') {
      // With a nested sandbox no command works, and it ends as if all was well.
      if (succeeded === 0) for (let at = 0; at < sandboxed; at++) reading.deny()
      reading.end(true, 'turn completed')
    }
  })
}
