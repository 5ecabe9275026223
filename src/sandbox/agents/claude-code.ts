import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { objectsOf } from '../../lib/json/json-values.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { type Agent, type AgentTask, programOf } from './agent.ts'
import { claude } from './default-models.ts'
import { makeReader, type ReaderState, textOf } from './events.ts'
import { mcpServersOf } from './mcp-servers.ts'

const packageName = '@anthropic-ai/claude-code'

/** Retries after the first attempt. Transient errors are short; the gateway ends long ones. */
const retries = '3'

export const claudeCode: Agent = {
  id: 'claude-code',
  models: {
    providers: ['anthropic', 'bedrock', 'openrouter'],
    preferred: ['openrouter', 'bedrock', 'anthropic'],
    defaults: claude,
  },
  modelPattern: /^(claude-|anthropic\/)/i,
  package: {
    name: packageName,
    version: '2.1.197',
    programs: [`node_modules/${packageName}-{system}/claude`, `node_modules/${packageName}-{system}-musl/claude`],
  },
  launch(task) {
    const { servers, warnings } = mcpServersOf(task.mcpServers)
    const places = task.places ?? inside
    const mcpFile = `${places.home}/mcp-servers.json`
    return {
      argv: [
        programOf(places),
        ...['-p', '--output-format', 'stream-json', '--verbose', '--no-session-persistence'],
        ...['--dangerously-skip-permissions', '--model', task.model],
        // It ends after its one turn: nothing it schedules for later would be awaited.
        ...['--disallowedTools', 'CronCreate,CronDelete,CronList,ScheduleWakeup'],
        ...['--strict-mcp-config', ...(servers.length > 0 ? ['--mcp-config', mcpFile] : [])],
      ],
      env: {
        ...keysOf(task),
        // All its calls use the run's model.
        ANTHROPIC_DEFAULT_HAIKU_MODEL: task.model,
        ANTHROPIC_DEFAULT_SONNET_MODEL: task.model,
        ANTHROPIC_DEFAULT_OPUS_MODEL: task.model,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
        CLAUDE_CODE_MAX_RETRIES: retries,
        DISABLE_AUTOUPDATER: '1',
        IS_SANDBOX: '1', // without it, it refuses to start as root
      },
      files: servers.length > 0 ? [{ path: mcpFile, text: JSON.stringify({ mcpServers: mcpFileOf(servers) }) }] : [],
      stdin: task.prompt,
      warnings,
    }
  },
  reader: (scrub) => makeReader(scrub, readLine),
}

const keysOf = ({ provider, token }: AgentTask): Record<string, string> =>
  provider === 'bedrock'
    ? {
        CLAUDE_CODE_USE_BEDROCK: '1',
        ANTHROPIC_BEDROCK_BASE_URL: inside.gatewayUrl,
        AWS_BEARER_TOKEN_BEDROCK: token,
        AWS_REGION: 'us-east-1', // required, though the gateway knows where the model is
      }
    : { ANTHROPIC_BASE_URL: inside.gatewayUrl, ANTHROPIC_API_KEY: token }

const mcpFileOf = (servers: ReturnType<typeof mcpServersOf>['servers']): JsonObject =>
  Object.fromEntries(
    servers.map((server) => [
      server.name,
      'command' in server
        ? { type: 'stdio', command: server.command, args: server.args, env: server.env }
        : { type: server.transport, url: server.url, headers: server.headers },
    ]),
  )

const readLine = (line: JsonObject, reading: ReaderState): void => {
  if (line.type === 'assistant' && isObject(line.message)) readAssistant(line.message, reading)
  else if (line.type === 'user' && isObject(line.message)) readUser(line.message, reading)
  else if (line.type === 'system' && line.subtype === 'api_retry') {
    reading.warn(`The model did not answer (${textOf(line.error_status ?? line.error)}); the agent asks again.`)
  } else if (line.type === 'result') readResult(line, reading)
}

const readAssistant = (message: JsonObject, reading: ReaderState): void => {
  for (const block of objectsOf(message.content)) {
    if (block.type === 'text') reading.say(textOf(block.text))
    else if (block.type === 'tool_use') reading.call(block.id, block.name, block.input)
  }
}

const readUser = (message: JsonObject, reading: ReaderState): void => {
  for (const block of objectsOf(message.content)) {
    if (block.type !== 'tool_result') continue
    const output = Array.isArray(block.content)
      ? objectsOf(block.content)
          .map((part) => textOf(part.text ?? `[${textOf(part.type)}]`))
          .join('\n')
      : textOf(block.content)
    reading.result(block.tool_use_id, output, block.is_error === true)
  }
}

/** `subtype` says success even after a model error: `is_error` counts. */
const readResult = (line: JsonObject, reading: ReaderState): void => {
  for (const _ of objectsOf(line.permission_denials)) reading.deny()
  const ok = line.is_error === false && line.subtype === 'success'
  const reason = textOf(line.result) || textOf(line.errors) || textOf(line.subtype)
  if (!ok) reading.fail(reason)
  reading.end(ok, ok ? textOf(line.terminal_reason ?? 'completed') : reason)
}
