import type { RunbookAgent } from '../model/runbooks/runbook-agents.ts'
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
