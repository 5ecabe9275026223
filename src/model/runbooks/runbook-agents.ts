/** Coding agents for runbooks; `scripted` uses no model: it runs the runbook's own shell blocks. */
export const runbookAgents = ['claude-code', 'codex', 'gemini-cli', 'opencode', 'scripted'] as const
export type RunbookAgent = (typeof runbookAgents)[number]
