/** Agents that ask a model, and are fetched from npm. */
export const codingAgents = ['claude-code', 'codex', 'gemini-cli', 'opencode'] as const
export type CodingAgent = (typeof codingAgents)[number]

/** Every agent that a runbook may name. `scripted` asks no model: it runs the shell blocks of the runbook. */
export const runbookAgents = [...codingAgents, 'scripted'] as const
export type RunbookAgent = (typeof runbookAgents)[number]

export const isCodingAgent = (name: string): name is CodingAgent => (codingAgents as readonly string[]).includes(name)
