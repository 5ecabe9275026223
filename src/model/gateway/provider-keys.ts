/** Variables in which clients look for provider keys. */
export const providerKeyNames = [
  'OPENROUTER_API_KEY',
  'OPENAI_API_KEY',
  'ANTHROPIC_API_KEY',
  'GEMINI_API_KEY',
  'GOOGLE_API_KEY',
  'REPLICATE_API_TOKEN',
  'AWS_BEARER_TOKEN_BEDROCK',
] as const
