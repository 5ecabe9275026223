import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type CodingAgent, codingAgents } from '../../model/runbooks/runbook-agents.ts'

/** Folders in which a coding agent keeps its files and looks for skills. */
interface AgentFolders {
  /** Settings of the user; whoever uses the agent has it. */
  settings: string
  /** Skills of the user, for every project. */
  user: string
  /** Skills of a project, from its root. */
  project: string
}

type Environment = Readonly<Record<string, string | undefined>>

/** Folders of each agent as its documentation names them. An agent's own variable for its folder is respected. */
export const skillFolders = (env: Environment = process.env, home = homedir()): Record<CodingAgent, AgentFolders> => {
  const claude = env.CLAUDE_CONFIG_DIR || join(home, '.claude')
  const opencode = join(env.XDG_CONFIG_HOME || join(home, '.config'), 'opencode')
  const gemini = join(home, '.gemini')
  return {
    'claude-code': { settings: claude, user: join(claude, 'skills'), project: '.claude/skills' },
    // Codex keeps its settings in ~/.codex, and reads skills from the folder that several agents share:
    // https://developers.openai.com/codex/skills
    codex: {
      settings: env.CODEX_HOME || join(home, '.codex'),
      user: join(home, '.agents/skills'),
      project: '.agents/skills',
    },
    'gemini-cli': { settings: gemini, user: join(gemini, 'skills'), project: '.gemini/skills' },
    opencode: { settings: opencode, user: join(opencode, 'skills'), project: '.opencode/skills' },
  }
}

/** Agents that have been used on this machine. */
export const agentsOfUser = (folders = skillFolders()): CodingAgent[] =>
  codingAgents.filter((agent) => existsSync(folders[agent].settings))
