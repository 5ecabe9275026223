// Every agent with every provider that it can ask, beside those of test/clients: five steps, through the client of OpenAI.
import { describeFiveSteps } from '../agents/carrying-five-steps.ts'

describeFiveSteps([
  ['gemini-cli', 'gemini-3.1-pro-preview', 'google'],
  ['gemini-cli', 'google/gemini-3.1-pro-preview', 'openrouter'],
  ['opencode', 'anthropic/claude-sonnet-4.6', 'openrouter'],
  ['opencode', 'claude-sonnet-4-6', 'anthropic'],
  ['opencode', 'gpt-5.5', 'openai'],
  ['opencode', 'gemini-3.1-pro-preview', 'google'],
  ['claude-code', 'anthropic/claude-sonnet-4.6', 'openrouter'],
  ['codex', 'openai/gpt-5.5', 'openrouter'],
])
