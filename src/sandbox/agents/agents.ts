import type { RunbookAgent } from '../../model/runbooks/runbook-agents.ts'
import type { Agent } from './agent.ts'
import { claudeCode } from './claude-code.ts'
import { codex } from './codex.ts'
import { geminiCli } from './gemini-cli.ts'
import { opencode } from './opencode.ts'
import { scripted } from './scripted.ts'

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
