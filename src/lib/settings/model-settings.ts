import { baseUrl, byteCount, seconds, setting, text, variableNames, wholeNumber } from './setting.ts'

/** Settings of model calls: limits, recording, base URLs, and lent keys. */
export const modelSettings = {
  modelConnectSeconds: setting({
    variable: 'JETTY_MODEL_CONNECT_SECONDS',
    description: 'Time limit for the connection to a model provider.',
    default: '5',
    example: '15',
    schema: seconds(0.001),
  }),
  modelFirstByteSeconds: setting({
    variable: 'JETTY_MODEL_FIRST_BYTE_SECONDS',
    description: 'How long a model may take until its answer begins; one that is not streamed begins when it is done.',
    default: '60',
    example: '300',
    schema: seconds(0.001),
  }),
  modelIdleSeconds: setting({
    variable: 'JETTY_MODEL_IDLE_SECONDS',
    description: 'Longest silence in the middle of the answer of a model.',
    default: '30',
    example: '120',
    schema: seconds(0.001),
  }),
  modelTries: setting({
    variable: 'JETTY_MODEL_TRIES',
    description:
      'How often a call of a model is sent in all, while it fails in a way that passes: the provider is busy, broken or ' +
      'not to be reached, and nothing of an answer was passed on.',
    default: '3',
    example: '1',
    schema: wholeNumber(1, 10),
  }),
  modelFileBytes: setting({
    variable: 'JETTY_MAX_MODEL_FILE_BYTES',
    description: 'Largest stored file, such as an image, that a step may send to a model.',
    default: '20MiB',
    example: '50MiB',
    schema: byteCount(),
  }),
  mediaFiles: setting({
    variable: 'JETTY_MAX_MEDIA_FILES',
    description:
      'Most files that a step may show to a model, or keep of what one has made; and that are fetched for a call, or kept of it.',
    default: '32',
    example: '100',
    schema: wholeNumber(1, 1000),
  }),
  geminiImageModel: setting({
    variable: 'JETTY_GEMINI_IMAGE_MODEL',
    description: 'The model that gemini_image_generator asks where a step names none.',
    default: 'gemini-2.5-flash-image',
    example: 'gemini-3-pro-image-preview',
    schema: text('be the name of a model', /^[\w./:-]{1,200}$/),
  }),
  modelFallbackSeconds: setting({
    variable: 'JETTY_MODEL_FALLBACK_SECONDS',
    description: 'How long after the beginning of a call one of its fallback models may still be asked.',
    default: '120',
    example: '30',
    schema: seconds(),
  }),
  cacheSeconds: setting({
    variable: 'JETTY_CACHE_SECONDS',
    description: 'How long the answer to a call of the gateway may be given again, where its collection caches them.',
    default: '86400',
    example: '3600',
    schema: seconds(1),
  }),
  cacheEntryBytes: setting({
    variable: 'JETTY_CACHE_ENTRY_BYTES',
    description: 'Largest answer that is kept to be given again.',
    default: '1MiB',
    example: '256KiB',
    schema: byteCount(),
  }),
  cacheEntries: setting({
    variable: 'JETTY_CACHE_ENTRIES',
    description: 'Answers of one collection that are kept to be given again; the oldest go first.',
    default: '10000',
    example: '1000',
    schema: wholeNumber(1, 10_000_000),
  }),
  cacheBytes: setting({
    variable: 'JETTY_CACHE_BYTES',
    description: 'Size of all of them together, for one collection.',
    default: '256MiB',
    example: '1GiB',
    schema: byteCount(),
  }),
  modelListSeconds: setting({
    variable: 'JETTY_MODEL_LIST_SECONDS',
    description:
      'How long the list is kept that a provider gives of its models, for GET /v1/models. 0: none is asked for one.',
    default: '3600',
    example: '600',
    schema: seconds(),
  }),
  openaiBaseUrl: setting({
    variable: 'OPENAI_BASE_URL',
    description:
      'Where calls to OpenAI go instead of https://api.openai.com/v1, the /v1 included. It may be private. An ' +
      'environment variable of a collection by the same name goes first, and may not.',
    example: 'http://localhost:11434/v1',
    schema: baseUrl(),
  }),
  anthropicBaseUrl: setting({
    variable: 'ANTHROPIC_BASE_URL',
    description: 'The same for Anthropic, instead of https://api.anthropic.com; with or without /v1.',
    example: 'https://anthropic.proxy.example.com',
    schema: baseUrl(),
  }),
  geminiBaseUrl: setting({
    variable: 'GEMINI_BASE_URL',
    description: 'The same for Google Gemini, instead of https://generativelanguage.googleapis.com/v1beta.',
    example: 'https://gemini.proxy.example.com/v1beta',
    schema: baseUrl(),
  }),
  openrouterBaseUrl: setting({
    variable: 'OPENROUTER_BASE_URL',
    description: 'The same for OpenRouter, instead of https://openrouter.ai/api/v1.',
    example: 'https://openrouter.proxy.example.com/api/v1',
    schema: baseUrl(),
  }),
  replicateBaseUrl: setting({
    variable: 'REPLICATE_BASE_URL',
    description: 'The same for Replicate, instead of https://api.replicate.com/v1.',
    example: 'https://replicate.proxy.example.com/v1',
    schema: baseUrl(),
  }),
  trialKeys: setting({
    variable: 'JETTY_TRIAL_KEYS',
    description:
      'Keys of model providers that are lent to trials: names of variables of the environment of the server, which ' +
      'every process needs. None: no trial begins.',
    default: '',
    example: 'OPENAI_API_KEY,GEMINI_API_KEY',
    schema: variableNames(),
  }),
  trialRuns: setting({
    variable: 'JETTY_TRIAL_RUNS',
    description: 'Runs on lent keys that a collection gets in its trial.',
    default: '10',
    example: '100',
    schema: wholeNumber(1, 1_000_000),
  }),
  trialMinutes: setting({
    variable: 'JETTY_TRIAL_MINUTES',
    description: 'Minutes after which the trial of a collection is used up, counted when a run on lent keys ends.',
    default: '60',
    example: '600',
    schema: wholeNumber(1, 1_000_000),
  }),
  trialDays: setting({
    variable: 'JETTY_TRIAL_DAYS',
    description: 'Days after its activation on which the trial of a collection expires.',
    default: '14',
    example: '30',
    schema: wholeNumber(1, 36_500),
  }),
}
