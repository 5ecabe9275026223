import type { JsonObject } from '../../lib/json/json-object.ts'
import type { RunbookAgent } from '../../model/runbooks/runbook-agents.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import type { Agent } from './agent.ts'
import { claudeCode } from './claude-code.ts'
import { codex } from './codex.ts'
import { makeReader, type ReaderState, textOf } from './events.ts'
import { geminiCli } from './gemini-cli.ts'
import { opencode } from './opencode.ts'

/** Runs the shell blocks of the runbook in order; needs neither a key nor a network. */
const scripted: Agent = {
  id: 'scripted',
  models: undefined,
  modelPattern: /^scripted(\/|$)/i,
  package: undefined,
  launch({ token, mcpServers, places = inside }) {
    return {
      argv: [`${places.tools}/node`, `${places.tools}/scripted.cjs`, places.runbook],
      env: { JETTY_MODEL_URL: `${inside.gatewayUrl}/v1`, JETTY_MODEL_TOKEN: token },
      files: [],
      warnings: Object.keys(mcpServers ?? {}).length > 0 ? ['scripted does not support MCP servers.'] : [],
    }
  },
  reader: (scrub) => makeReader(scrub, readLine),
}

const readLine = (line: JsonObject, reading: ReaderState): void => {
  if (line.type === 'message') reading.say(textOf(line.text))
  else if (line.type === 'tool_call') reading.call(line.id, line.name, line.input)
  else if (line.type === 'tool_result') reading.result(line.id, line.output, line.is_error === true)
  else if (line.type === 'end') {
    const ok = line.ok === true
    const reason = textOf(line.reason)
    if (!ok) reading.fail(reason)
    reading.end(ok, reason)
  }
}

/** Every agent that a runbook may name. */
export const agents: Readonly<Record<RunbookAgent, Agent>> = {
  'claude-code': claudeCode,
  codex,
  'gemini-cli': geminiCli,
  opencode,
  scripted,
}

/** The agent of a runbook that names neither an agent nor a model of another one. */
const defaultAgent = claudeCode

/** Chooses the agent for a model that a runbook names. */
export const agentForModel = (model: string): Agent =>
  Object.values(agents).find(({ modelPattern }) => modelPattern?.test(model)) ?? defaultAgent
