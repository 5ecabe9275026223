import type { z } from 'zod'
import { AppError } from './errors.ts'
import {
  baseUrl,
  bytes,
  encryptionKeys,
  folder,
  hostsAndRanges,
  oneOf,
  type Setting,
  seconds,
  setting,
  text,
  trueOrFalse,
  variableNames,
  webAddress,
  wholeNumber,
} from './setting.ts'

const declared = {
  host: setting({
    variable: 'JETTY_HOST',
    description: 'Address to listen on. 0.0.0.0 makes the server reachable from other machines.',
    default: '127.0.0.1',
    example: '0.0.0.0',
    schema: text('be a host name or an IP address', /^[\w.:-]+$/),
  }),
  port: setting({
    variable: 'JETTY_PORT',
    description: 'Port to listen on; 0 takes any free one.',
    default: '7070',
    example: '8080',
    schema: wholeNumber(0, 65_535),
  }),
  metricsPort: setting({
    variable: 'JETTY_METRICS_PORT',
    description:
      'Port of JETTY_HOST that serves /metrics and /health without a token, and nothing else; a worker serves it too. ' +
      'Unset: /metrics is on JETTY_PORT alone, for the admin token.',
    example: '9070',
    schema: wholeNumber(0, 65_535),
  }),
  dataDir: setting({
    variable: 'JETTY_DATA_DIR',
    description: 'Folder that holds everything: the embedded database, files, tokens and keys.',
    default: '~/.jetty',
    example: '/var/lib/jetty',
    schema: folder(),
  }),
  databaseUrl: setting({
    variable: 'DATABASE_URL',
    description: 'PostgreSQL 15 to 18 to use instead of the embedded one.',
    example: 'postgres://jetty:password@db.example.com:5432/jetty',
    secret: true,
    schema: webAddress('be a PostgreSQL address', ['postgres:', 'postgresql:']),
  }),
  adminToken: setting({
    variable: 'JETTY_ADMIN_TOKEN',
    description: 'Token with full access. Default: one is made in the data folder (admin-token).',
    example: 'a-long-random-text-of-at-least-16-characters',
    secret: true,
    schema: text('be at least 16 characters without spaces', /^[\x21-\x7e]{16,}$/),
  }),
  secretKeys: setting({
    variable: 'JETTY_SECRET_KEY',
    description:
      'Key that stored secrets are encrypted with; a comma separated list, newest first, while keys are changed. ' +
      'Default: one is made in the data folder (secret-key).',
    example: '$(openssl rand -base64 32)',
    secret: true,
    schema: encryptionKeys(),
  }),
  publicUrl: setting({
    variable: 'JETTY_PUBLIC_URL',
    description: 'Address under which people reach this server; used in links.',
    example: 'https://jetty.example.com',
    schema: baseUrl(),
  }),
  role: setting({
    variable: 'JETTY_ROLE',
    description: 'all: answer requests and execute runs; api: only answer; worker: only execute.',
    default: 'all',
    example: 'worker',
    schema: oneOf(['all', 'api', 'worker']),
  }),
  workerConcurrency: setting({
    variable: 'JETTY_WORKER_CONCURRENCY',
    description: 'Steps that execute at once in this process; sleeping and waiting runs do not count.',
    default: '256',
    example: '64',
    schema: wholeNumber(1, 100_000),
  }),
  allowPrivateNetwork: setting({
    variable: 'JETTY_ALLOW_PRIVATE_NETWORK',
    description: 'Private and local addresses that steps may call: hosts, host:port, CIDR ranges, or * for all.',
    default: '',
    example: 'localhost:11434,10.0.0.0/8',
    schema: hostsAndRanges(),
  }),
  maxUploadBytes: setting({
    variable: 'JETTY_MAX_UPLOAD_BYTES',
    description: 'Largest file that may be uploaded.',
    default: '1GiB',
    example: '200MiB',
    schema: bytes(),
  }),
  maxLabelsPerRun: setting({
    variable: 'JETTY_MAX_LABELS_PER_RUN',
    description: 'Labels that one run may have.',
    default: '1000',
    example: '100',
    schema: wholeNumber(1, 100_000),
  }),
  maxFilesPerRun: setting({
    variable: 'JETTY_MAX_FILES_PER_RUN',
    description: 'Files that may be sent along with one run.',
    default: '50',
    example: '200',
    schema: wholeNumber(0, 10_000),
  }),
  maxInitParamsBytes: setting({
    variable: 'JETTY_MAX_INIT_PARAMS_BYTES',
    description: 'Largest init_params of one run, as JSON.',
    default: '1MiB',
    example: '4MiB',
    schema: bytes(),
  }),
  maxBodyBytes: setting({
    variable: 'JETTY_MAX_BODY_BYTES',
    description: 'Largest request body that is not an upload.',
    default: '16MiB',
    example: '64MiB',
    schema: bytes(),
  }),
  maxOutputBytes: setting({
    variable: 'JETTY_MAX_OUTPUT_BYTES',
    description: 'Largest output of one step, as JSON.',
    default: '64MiB',
    example: '16MiB',
    schema: bytes(),
  }),
  stepTimeoutSeconds: setting({
    variable: 'JETTY_STEP_TIMEOUT_SECONDS',
    description: 'Time limit of a step that sets none itself.',
    default: '600',
    example: '1800',
    schema: seconds(0.001),
  }),
  runTimeoutSeconds: setting({
    variable: 'JETTY_RUN_TIMEOUT_SECONDS',
    description: 'Time limit of the work of one run; waiting does not count.',
    default: '3600',
    example: '86400',
    schema: seconds(0.001),
  }),
  maxFetchBytes: setting({
    variable: 'JETTY_MAX_FETCH_BYTES',
    description: 'Largest answer that a step may fetch from the network.',
    default: '100MiB',
    example: '1GiB',
    schema: bytes(),
  }),
  fetchTimeoutSeconds: setting({
    variable: 'JETTY_FETCH_TIMEOUT_SECONDS',
    description: 'Time limit of one fetch from the network, redirects included.',
    default: '60',
    example: '300',
    schema: seconds(0.001),
  }),
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
  modelFileBytes: setting({
    variable: 'JETTY_MAX_MODEL_FILE_BYTES',
    description: 'Largest stored file, such as an image, that a step may send to a model.',
    default: '20MiB',
    example: '50MiB',
    schema: bytes(),
  }),
  mediaFiles: setting({
    variable: 'JETTY_MAX_MEDIA_FILES',
    description: 'Most files that a step may show to a model, or keep of what one has made.',
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
    schema: bytes(),
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
    schema: bytes(),
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
  syncWaitSeconds: setting({
    variable: 'JETTY_SYNC_WAIT_SECONDS',
    description: 'How long run-sync waits for a run before it answers 524; the run goes on.',
    default: '600',
    example: '60',
    schema: seconds(),
  }),
  spillBytes: setting({
    variable: 'JETTY_SPILL_BYTES',
    description:
      'How much the recorded calls of the gateway may take in files of the data folder while the database is away; ' +
      'above it new calls are refused.',
    default: '256MiB',
    example: '2GiB',
    schema: bytes(),
  }),
  recordingRequired: setting({
    variable: 'JETTY_RECORDING_REQUIRED',
    description:
      'Whether calls of the gateway are refused while the database is away, in the place of being recorded in a file ' +
      'of the data folder until it is back.',
    default: 'false',
    example: 'true',
    schema: trueOrFalse(),
  }),
  recordedAnswerBytes: setting({
    variable: 'JETTY_RECORDED_ANSWER_BYTES',
    description:
      'How much of one answer the gateway keeps for its record; a longer one is passed on whole all the same.',
    default: '16MiB',
    example: '64MiB',
    schema: bytes(),
  }),
  drainSeconds: setting({
    variable: 'JETTY_DRAIN_SECONDS',
    description: 'Time that running steps get when the server is asked to stop; the rest resumes at the next start.',
    default: '10',
    example: '30',
    schema: seconds(),
  }),
  exposeEnvValues: setting({
    variable: 'JETTY_EXPOSE_ENV_VALUES',
    description: "Whether the API shows the values of a collection's environment variables instead of ***.",
    default: 'false',
    example: 'true',
    schema: trueOrFalse(),
  }),
  authFailuresPerMinute: setting({
    variable: 'JETTY_AUTH_FAILURES_PER_MINUTE',
    description:
      'Refused tokens a minute from one address before it gets 429; valid ones are never refused. 0: no limit.',
    default: '300',
    example: '30',
    schema: wholeNumber(0, 1_000_000),
  }),
  rateLimit: setting({
    variable: 'JETTY_RATE_LIMIT',
    description: 'Calls a minute that one key may make; a collection may have a limit of its own. 0: no limit.',
    default: '0',
    example: '600',
    schema: wholeNumber(0, 1_000_000),
  }),
  logLevel: setting({
    variable: 'JETTY_LOG_LEVEL',
    description: 'Least important log lines to write.',
    default: 'info',
    example: 'debug',
    schema: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  }),
}

type ValueOf<S> =
  S extends Setting<infer Schema, infer Default>
    ? z.output<Schema> | (Default extends undefined ? undefined : never)
    : never

/** The configuration of a process, checked and parsed. */
export type Settings = { readonly [Name in keyof typeof declared]: ValueOf<(typeof declared)[Name]> }

/** Every setting in the order of the reference page: for `--help` and the docs. */
export const settingList: readonly (Setting & { name: keyof Settings })[] = Object.entries(declared).map(
  ([name, one]) => ({ ...one, name: name as keyof Settings }),
)

/** The environment holds values that cannot be used; the message names every one of them and shows how to write it. */
export class ConfigError extends AppError {
  readonly variables: string[]

  constructor(problems: { variable: string; message: string }[]) {
    super('invalid', problems.map((problem) => problem.message).join('\n'))
    this.name = 'ConfigError'
    this.variables = problems.map((problem) => problem.variable)
  }
}

const complaint = (one: Setting, value: string, rule: string): string => {
  const shown = one.secret ? 'the value it has is not shown here' : `it is ${JSON.stringify(value)}`
  return `${one.variable} must ${rule}; ${shown}. Example: ${one.variable}=${one.example}`
}

/** Reads the settings from environment variables; an empty variable counts as unset. Throws a ConfigError. */
export const loadSettings = (env: Record<string, string | undefined>): Settings => {
  const problems: { variable: string; message: string }[] = []
  const values: Record<string, unknown> = {}
  for (const one of settingList) {
    const given = env[one.variable]?.trim() || one.default
    const parsed = given === undefined ? undefined : one.schema.safeParse(given)
    values[one.name] = parsed?.data
    if (given === undefined || !parsed?.error) continue
    const rule = parsed.error.issues[0]?.message ?? 'be different'
    problems.push({ variable: one.variable, message: complaint(one, given, rule) })
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return values as Settings
}
