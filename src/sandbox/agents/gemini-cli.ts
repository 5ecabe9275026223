import type { JsonObject } from '../../lib/json/json-object.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { type Agent, programOf } from './agent.ts'
import { gemini } from './default-models.ts'
import { makeReader, type ReaderState, textOf } from './events.ts'
import { type McpServer, mcpServersOf } from './mcp-servers.ts'

export const geminiCli: Agent = {
  id: 'gemini-cli',
  models: { providers: ['google', 'openrouter'], preferred: ['openrouter', 'google'], defaults: gemini },
  modelPattern: /^gemini[-/]/i,
  package: {
    name: '@google/gemini-cli',
    version: '0.61.0',
    programs: ['node_modules/@google/gemini-cli/bundle/gemini.js'],
  },
  launch(task) {
    const { servers, warnings } = mcpServersOf(task.mcpServers)
    const places = task.places ?? inside
    return {
      argv: [
        ...[`${places.tools}/node`, programOf(places), '--model', task.model.replace(/^models\//, '')],
        ...['--approval-mode', 'yolo', '--output-format', 'stream-json'],
      ],
      env: {
        GEMINI_API_KEY: task.token,
        GOOGLE_GEMINI_BASE_URL: inside.gatewayUrl,
        GEMINI_CLI_TRUST_WORKSPACE: 'true',
        GEMINI_CLI_NO_RELAUNCH: 'true', // otherwise it starts another process with half of the host's memory as heap
      },
      files: [{ path: `${places.home}/.gemini/settings.json`, text: JSON.stringify(settingsOf(servers)) }],
      stdin: task.prompt,
      warnings,
    }
  },
  reader: (scrub) => makeReader(scrub, readLine),
}

const settingsOf = (servers: McpServer[]): JsonObject => ({
  security: { auth: { selectedType: 'gemini-api-key' }, environmentVariableRedaction: { enabled: false } },
  privacy: { usageStatisticsEnabled: false },
  telemetry: { enabled: false },
  general: { enableAutoUpdate: false, enableAutoUpdateNotification: false, maxAttempts: 4 },
  mcpServers: Object.fromEntries(servers.map((server) => [server.name, mcpEntry(server)])),
})

const mcpEntry = (server: McpServer): JsonObject => {
  if ('command' in server) return { command: server.command, args: server.args, env: server.env, trust: true }
  return { [server.transport === 'sse' ? 'url' : 'httpUrl']: server.url, headers: server.headers, trust: true }
}

/** Commands refused for their form, such as `$(…)`; reported as a success, which the model may word otherwise. */
const blocked = /^Blocked: /
/** Refused by its own policy; it still ends with success. */
const denial = /denied by policy/i

const readLine = (line: JsonObject, reading: ReaderState): void => {
  if (line.type === 'message' && line.role === 'assistant') {
    const text = textOf(line.content)
    if (line.delta === true) reading.sayPart(text)
    else reading.say(text)
  } else if (line.type === 'tool_use') reading.call(line.tool_id, line.tool_name, line.parameters)
  else if (line.type === 'tool_result') {
    const output = textOf(line.output ?? line.error)
    if (line.status === 'error' && denial.test(`${output} ${textOf(line.error)}`)) reading.deny()
    reading.result(line.tool_id, output, line.status !== 'success' || blocked.test(output))
  } else if (line.type === 'error') {
    // It still ends with success, for example when its turns are used up.
    if (line.severity === 'warning') reading.warn(textOf(line))
    else reading.fail(textOf(line))
  } else if (line.type === 'result') {
    const ok = line.status === 'success'
    const reason = ok ? 'success' : textOf(line.error ?? line.status)
    if (!ok) reading.fail(reason)
    reading.end(ok, reason)
  }
}
