// The coding agents that people use, from npm, carry a runbook out in a sandbox, asked for by the client of OpenAI.
import { describeFiveSteps } from '../agents/carrying-five-steps.ts'

describeFiveSteps([
  ['claude-code', 'claude-sonnet-4-6', 'anthropic'],
  ['codex', 'gpt-5.5', 'openai'],
])
