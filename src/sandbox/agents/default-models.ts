/** The model of each maker that an agent asks when nothing names one, as each provider writes its name. */
export const claude = {
  anthropic: 'claude-sonnet-4-6',
  openrouter: 'anthropic/claude-sonnet-4.6',
  bedrock: 'us.anthropic.claude-sonnet-4-6',
} as const

export const gpt = { openai: 'gpt-5.5', openrouter: 'openai/gpt-5.5' } as const

export const gemini = { google: 'gemini-3.1-pro-preview', openrouter: 'google/gemini-3.1-pro-preview' } as const
