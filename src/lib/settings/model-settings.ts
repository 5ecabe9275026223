import { baseUrl, byteCount, dollars, seconds, setting, text, variableNames, wholeNumber } from './setting.ts'

/** Settings of model calls: limits, recording, base URLs, and lent keys. */
export const modelSettings = {
  modelConnectSeconds: setting({
    variable: 'JETTY_MODEL_CONNECT_SECONDS',
    description: 'Timeout for connecting to a model provider.',
    default: '5',
    example: '15',
    schema: seconds(0.001),
  }),
  modelFirstByteSeconds: setting({
    variable: 'JETTY_MODEL_FIRST_BYTE_SECONDS',
    description: 'Timeout until the answer of a model begins. Without streaming, that is when the answer is complete.',
    default: '60',
    example: '300',
    schema: seconds(0.001),
  }),
  modelIdleSeconds: setting({
    variable: 'JETTY_MODEL_IDLE_SECONDS',
    description: 'Longest pause in the answer of a model.',
    default: '30',
    example: '120',
    schema: seconds(0.001),
  }),
  modelTries: setting({
    variable: 'JETTY_MODEL_TRIES',
    description:
      'Attempts of one model call while the provider is busy, broken or unreachable, and no part of the answer was ' +
      'passed on.',
    default: '3',
    example: '1',
    schema: wholeNumber(1, 10),
  }),
  economyCollectSeconds: setting({
    variable: 'JETTY_ECONOMY_COLLECT_SECONDS',
    description:
      'How long calls with `economy: "batch"` are collected before they are sent to their provider as a batch.',
    default: '60',
    example: '600',
    schema: seconds(0.001),
  }),
  economyPollSeconds: setting({
    variable: 'JETTY_ECONOMY_POLL_SECONDS',
    description: 'Pause between two looks at a batch of a provider.',
    default: '60',
    example: '300',
    schema: seconds(0.001),
  }),
  economyMaxWaitSeconds: setting({
    variable: 'JETTY_ECONOMY_MAX_WAIT_SECONDS',
    description:
      'How long a call waits for a batch, unless its step sets `max_wait_sec`. Then the batch is cancelled, and what it ' +
      'has not answered is sent at once.',
    default: '86400',
    example: '14400',
    schema: seconds(1),
  }),
  economyRequests: setting({
    variable: 'JETTY_ECONOMY_REQUESTS',
    description: 'Maximum requests of one batch. Providers have limits of their own, such as 50,000.',
    default: '10000',
    example: '50000',
    schema: wholeNumber(1, 100_000),
  }),
  economyBytes: setting({
    variable: 'JETTY_ECONOMY_BYTES',
    description: 'Maximum size of the requests of one batch; about three times as much is held while it is uploaded.',
    default: '32MiB',
    example: '100MiB',
    schema: byteCount(),
  }),
  modelFileBytes: setting({
    variable: 'JETTY_MAX_MODEL_FILE_BYTES',
    description: 'Maximum size of a stored file, such as an image, that a step may send to a model.',
    default: '20MiB',
    example: '50MiB',
    schema: byteCount(),
  }),
  mediaFiles: setting({
    variable: 'JETTY_MAX_MEDIA_FILES',
    description: 'Files that one step or gateway call may send to a model, or store from its answer.',
    default: '32',
    example: '100',
    schema: wholeNumber(1, 1000),
  }),
  toolTurns: setting({
    variable: 'JETTY_TOOL_TURNS',
    description: 'Model calls of one chat step with tools, unless it sets max_turns.',
    default: '20',
    example: '50',
    schema: wholeNumber(1, 1_000),
  }),
  toolCalls: setting({
    variable: 'JETTY_TOOL_CALLS',
    description: 'Tool calls of one chat step, unless it sets max_tool_calls.',
    default: '100',
    example: '20',
    schema: wholeNumber(1, 1_000),
  }),
  toolTokens: setting({
    variable: 'JETTY_TOOL_TOKENS',
    description: 'Tokens of one chat step with tools, unless it sets max_total_tokens.',
    default: '2000000',
    example: '200000',
    schema: wholeNumber(1, 1_000_000_000),
  }),
  toolCostUsd: setting({
    variable: 'JETTY_TOOL_COST_USD',
    description: 'US dollars that one chat step with tools may cost, unless it sets max_cost_usd.',
    default: '5',
    example: '0.5',
    schema: dollars(),
  }),
  toolResultCharacters: setting({
    variable: 'JETTY_TOOL_RESULT_CHARACTERS',
    description: 'Characters of a tool result that a model gets; the rest is cut.',
    default: '65536',
    example: '20000',
    schema: wholeNumber(1_000, 1_000_000),
  }),
  geminiImageModel: setting({
    variable: 'JETTY_GEMINI_IMAGE_MODEL',
    description: 'Model of gemini_image_generator for steps that name none.',
    default: 'gemini-2.5-flash-image',
    example: 'gemini-3-pro-image-preview',
    schema: text('be the name of a model', /^[\w./:-]{1,200}$/),
  }),
  modelFallbackSeconds: setting({
    variable: 'JETTY_MODEL_FALLBACK_SECONDS',
    description: 'Seconds after the start of a call in which a fallback model may still be called.',
    default: '120',
    example: '30',
    schema: seconds(),
  }),
  deploymentCoolDownSeconds: setting({
    variable: 'JETTY_DEPLOYMENT_COOLDOWN_SECONDS',
    description:
      'How long a deployment of a model gets no calls after 429, a status of 500 or above or no answer, if its provider does not say how long.',
    default: '30',
    example: '120',
    schema: seconds(),
  }),
  cacheSeconds: setting({
    variable: 'JETTY_CACHE_SECONDS',
    description: 'How long a cached answer of a model is used, in collections that cache gateway calls.',
    default: '86400',
    example: '3600',
    schema: seconds(1),
  }),
  cacheEntryBytes: setting({
    variable: 'JETTY_CACHE_ENTRY_BYTES',
    description: 'Largest answer of a model that is cached.',
    default: '1MiB',
    example: '256KiB',
    schema: byteCount(),
  }),
  cacheEntries: setting({
    variable: 'JETTY_CACHE_ENTRIES',
    description: 'Cached answers of one collection; the oldest are removed first.',
    default: '10000',
    example: '1000',
    schema: wholeNumber(1, 10_000_000),
  }),
  cacheBytes: setting({
    variable: 'JETTY_CACHE_BYTES',
    description: 'Size of all cached answers of one collection.',
    default: '256MiB',
    example: '1GiB',
    schema: byteCount(),
  }),
  modelListSeconds: setting({
    variable: 'JETTY_MODEL_LIST_SECONDS',
    description:
      "How long a provider's list of models is cached, for GET /v1/models. 0: providers are not asked for lists.",
    default: '3600',
    example: '600',
    schema: seconds(),
  }),
  openaiBaseUrl: setting({
    variable: 'OPENAI_BASE_URL',
    description:
      'Base URL for OpenAI instead of https://api.openai.com/v1, with the /v1. It may be private. A variable of a ' +
      'collection with the same name has precedence, and may not be private.',
    example: 'http://localhost:11434/v1',
    schema: baseUrl(),
  }),
  anthropicBaseUrl: setting({
    variable: 'ANTHROPIC_BASE_URL',
    description: 'Base URL for Anthropic instead of https://api.anthropic.com; with or without /v1.',
    example: 'https://anthropic.proxy.example.com',
    schema: baseUrl(),
  }),
  geminiBaseUrl: setting({
    variable: 'GEMINI_BASE_URL',
    description: 'Base URL for Google Gemini instead of https://generativelanguage.googleapis.com/v1beta.',
    example: 'https://gemini.proxy.example.com/v1beta',
    schema: baseUrl(),
  }),
  openrouterBaseUrl: setting({
    variable: 'OPENROUTER_BASE_URL',
    description: 'Base URL for OpenRouter instead of https://openrouter.ai/api/v1.',
    example: 'https://openrouter.proxy.example.com/api/v1',
    schema: baseUrl(),
  }),
  cohereBaseUrl: setting({
    variable: 'COHERE_BASE_URL',
    description: 'Base URL for Cohere instead of https://api.cohere.com/v2.',
    example: 'https://cohere.proxy.example.com/v2',
    schema: baseUrl(),
  }),
  voyageBaseUrl: setting({
    variable: 'VOYAGE_BASE_URL',
    description: 'Base URL for Voyage AI instead of https://api.voyageai.com/v1.',
    example: 'https://voyage.proxy.example.com/v1',
    schema: baseUrl(),
  }),
  replicateBaseUrl: setting({
    variable: 'REPLICATE_BASE_URL',
    description: 'Base URL for Replicate instead of https://api.replicate.com/v1.',
    example: 'https://replicate.proxy.example.com/v1',
    schema: baseUrl(),
  }),
  trialKeys: setting({
    variable: 'JETTY_TRIAL_KEYS',
    description:
      'Provider keys that are lent to trials: names of environment variables of the server, which every process ' +
      'needs. Unset: there are no trials.',
    default: '',
    example: 'OPENAI_API_KEY,GEMINI_API_KEY',
    schema: variableNames(),
  }),
  trialRuns: setting({
    variable: 'JETTY_TRIAL_RUNS',
    description: 'Runs with lent keys in the trial of a collection.',
    default: '10',
    example: '100',
    schema: wholeNumber(1, 1_000_000),
  }),
  trialMinutes: setting({
    variable: 'JETTY_TRIAL_MINUTES',
    description: 'Minutes of runs with lent keys in the trial of a collection, counted when each run ends.',
    default: '60',
    example: '600',
    schema: wholeNumber(1, 1_000_000),
  }),
  trialDays: setting({
    variable: 'JETTY_TRIAL_DAYS',
    description: 'Days from the activation to the end of the trial of a collection.',
    default: '14',
    example: '30',
    schema: wholeNumber(1, 36_500),
  }),
}
