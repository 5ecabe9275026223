import type { z } from 'zod'
import { AppError } from '../errors.ts'
import { modelSettings } from './model-settings.ts'
import { operationSettings, storageSettings, timedSettings } from './operation-settings.ts'
import { eventSettings, hookSettings, runSettings, scriptSettings, workerSettings } from './run-settings.ts'
import { sandboxSettings } from './sandbox-settings.ts'
import {
  baseUrl,
  byteCount,
  encryptionKeys,
  folder,
  hostsAndRanges,
  oneOf,
  type Setting,
  seconds,
  setting,
  text,
  trueOrFalse,
  webAddress,
  wholeNumber,
} from './setting.ts'
import { telemetrySettings } from './telemetry-settings.ts'

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
    description: 'Port to listen on; 0 picks a free port.',
    default: '7070',
    example: '8080',
    schema: wholeNumber(0, 65_535),
  }),
  metricsPort: setting({
    variable: 'JETTY_METRICS_PORT',
    description:
      'Port on JETTY_HOST that serves only /metrics and /health, without a token, in workers too. Unset: /metrics is ' +
      'on JETTY_PORT, for the admin token.',
    example: '9070',
    schema: wholeNumber(0, 65_535),
  }),
  dataDir: setting({
    variable: 'JETTY_DATA_DIR',
    description: 'Folder for all data: the embedded database, files, tokens and keys.',
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
  ...storageSettings,
  adminToken: setting({
    variable: 'JETTY_ADMIN_TOKEN',
    description: 'Token with full access. Default: generated into the data folder (admin-token).',
    example: 'a-long-random-text-of-at-least-16-characters',
    secret: true,
    schema: text('be at least 16 characters without spaces', /^[\x21-\x7e]{16,}$/),
  }),
  secretKeys: setting({
    variable: 'JETTY_SECRET_KEY',
    description:
      'Key that encrypts stored secrets; during a key change a comma separated list, newest first. Default: ' +
      'generated into the data folder (secret-key).',
    example: '$(openssl rand -base64 32)',
    secret: true,
    schema: encryptionKeys(),
  }),
  publicUrl: setting({
    variable: 'JETTY_PUBLIC_URL',
    description: 'URL under which people reach this server; used in links.',
    example: 'https://jetty.example.com',
    schema: baseUrl(),
  }),
  web: setting({
    variable: 'JETTY_WEB',
    description: 'Whether this server shows pages to browsers. off: it answers the API alone.',
    default: 'on',
    example: 'off',
    schema: trueOrFalse(),
  }),
  role: setting({
    variable: 'JETTY_ROLE',
    description: 'all: answer requests and execute runs; api: only answer requests; worker: only execute runs.',
    default: 'all',
    example: 'worker',
    schema: oneOf(['all', 'api', 'worker']),
  }),
  workerConcurrency: setting({
    variable: 'JETTY_WORKER_CONCURRENCY',
    description:
      'Steps that execute at once in this process; sleeping and waiting runs do not count. An eighth more execute ' +
      'for others while one collection, with all that its keys have made, uses all of them.',
    default: '256',
    example: '64',
    schema: wholeNumber(1, 100_000),
  }),
  allowPrivateNetwork: setting({
    variable: 'JETTY_ALLOW_PRIVATE_NETWORK',
    description:
      'Private addresses, and public ones of this machine, that steps, webhooks and models may call: hosts, ' +
      'host:port, CIDR ranges, or * for all. Ports of the embedded Postgres and of metrics open only as host:port.',
    default: '',
    example: 'localhost:11434,10.0.0.0/8',
    schema: hostsAndRanges(),
  }),
  maxUploadBytes: setting({
    variable: 'JETTY_MAX_UPLOAD_BYTES',
    description: 'Largest file in an upload.',
    default: '1GiB',
    example: '200MiB',
    schema: byteCount(),
  }),
  leastFreeBytes: setting({
    variable: 'JETTY_LEAST_FREE_BYTES',
    description: 'Free space on the disk of the data folder below which `/ready` answers 503.',
    default: '256MiB',
    example: '2GiB',
    schema: byteCount(),
  }),
  collectionBytes: setting({
    variable: 'JETTY_COLLECTION_BYTES',
    description:
      'Bytes that one collection may store, with all collections that its keys have made: texts of runs in the ' +
      'database, and files. The admin can set another quota for a collection.',
    default: '100GiB',
    example: '5GiB',
    schema: byteCount(),
  }),
  keyCollections: setting({
    variable: 'JETTY_KEY_COLLECTIONS',
    description:
      'Collections that the keys of one collection may make, and the keys of those. The admin token may make more.',
    default: '1000',
    example: '20',
    schema: wholeNumber(0, 1_000_000),
  }),
  collectionRuns: setting({
    variable: 'JETTY_COLLECTION_RUNS',
    description:
      'Runs that one collection may keep, with all collections that its keys have made, gateway calls included. The ' +
      'admin can set another quota for a collection.',
    default: '10000000',
    example: '100000',
    schema: wholeNumber(1, 1_000_000_000_000),
  }),
  maxLabelsPerRun: setting({
    variable: 'JETTY_MAX_LABELS_PER_RUN',
    description: 'Maximum number of labels of a run.',
    default: '1000',
    example: '100',
    schema: wholeNumber(1, 100_000),
  }),
  maxFilesPerRun: setting({
    variable: 'JETTY_MAX_FILES_PER_RUN',
    description: 'Files that one run may be started with.',
    default: '50',
    example: '200',
    schema: wholeNumber(0, 10_000),
  }),
  maxInitParamsBytes: setting({
    variable: 'JETTY_MAX_INIT_PARAMS_BYTES',
    description: 'Maximum size of the init_params of a run, as JSON.',
    default: '1MiB',
    example: '4MiB',
    schema: byteCount(),
  }),
  maxBatchBytes: setting({
    variable: 'JETTY_MAX_BATCH_BYTES',
    description:
      'Size of all items of one batch or evaluation, as JSON. Items in a request must also fit into its body.',
    default: '64MiB',
    example: '256MiB',
    schema: byteCount(),
  }),
  maxBodyBytes: setting({
    variable: 'JETTY_MAX_BODY_BYTES',
    description: 'Maximum size of a request body that is not an upload.',
    default: '16MiB',
    example: '64MiB',
    schema: byteCount(),
  }),
  maxBodyValues: setting({
    variable: 'JETTY_MAX_BODY_VALUES',
    description:
      'Maximum number of members, lists and objects in a request body of JSON; five plain elements of a list count as ' +
      'one. Ten times as many where the body is data: parameters of runs, items, events, results.',
    default: '100000',
    example: '200000',
    schema: wholeNumber(1_000, 10_000_000),
  }),
  inFlightBytes: setting({
    variable: 'JETTY_IN_FLIGHT_BYTES',
    description:
      'Memory for large values of all steps, requests and answers of this process together; beyond it they wait. ' +
      'Default: two fifths of the heap limit of Node (`--max-old-space-size`).',
    example: '1GiB',
    schema: byteCount(),
  }),
  diffBytes: setting({
    variable: 'JETTY_DIFF_BYTES',
    description: 'Bytes of values that the difference of two runs shows whole, as JSON; later values are cut.',
    default: '1MiB',
    example: '4MiB',
    schema: byteCount(),
  }),
  maxOutputBytes: setting({
    variable: 'JETTY_MAX_OUTPUT_BYTES',
    description: 'Maximum size of the output of a step, as JSON.',
    default: '64MiB',
    example: '16MiB',
    schema: byteCount(),
  }),
  ...runSettings,
  ...workerSettings,
  ...eventSettings,
  ...hookSettings,
  stepTimeoutSeconds: setting({
    variable: 'JETTY_STEP_TIMEOUT_SECONDS',
    description: 'Timeout of a step without one of its own.',
    default: '600',
    example: '1800',
    schema: seconds(0.001),
  }),
  runTimeoutSeconds: setting({
    variable: 'JETTY_RUN_TIMEOUT_SECONDS',
    description: 'Timeout of the work of one run; waiting does not count.',
    default: '3600',
    example: '86400',
    schema: seconds(0.001),
  }),
  maxFetchBytes: setting({
    variable: 'JETTY_MAX_FETCH_BYTES',
    description: 'Largest response that a step may read from the network.',
    default: '100MiB',
    example: '1GiB',
    schema: byteCount(),
  }),
  fetchTimeoutSeconds: setting({
    variable: 'JETTY_FETCH_TIMEOUT_SECONDS',
    description: 'Timeout of one request to the network, redirects included.',
    default: '60',
    example: '300',
    schema: seconds(0.001),
  }),
  ...modelSettings,
  trialCollections: setting({
    variable: 'JETTY_TRIAL_COLLECTIONS',
    description: 'Collections that may have a trial. Every key with WRITE access can make collections.',
    default: '100',
    example: '10',
    schema: wholeNumber(1, 1_000_000),
  }),
  syncWaitSeconds: setting({
    variable: 'JETTY_SYNC_WAIT_SECONDS',
    description: 'How long run-sync waits for a run before it answers 524; the run continues.',
    default: '600',
    example: '60',
    schema: seconds(),
  }),
  ...operationSettings,
  ...timedSettings,
  ...telemetrySettings,
  ...sandboxSettings,
  ...scriptSettings,
  stepCacheDays: setting({
    variable: 'JETTY_STEP_CACHE_DAYS',
    description: 'Days that the result of a step can be reused by steps with `options.cache`.',
    default: '30',
    example: '7',
    schema: wholeNumber(1, 3650),
  }),
  stepCacheEntries: setting({
    variable: 'JETTY_STEP_CACHE_ENTRIES',
    description: 'Reusable step results of one collection; the oldest are removed first.',
    default: '100000',
    example: '10000',
    schema: wholeNumber(1, 10_000_000),
  }),
  spillBytes: setting({
    variable: 'JETTY_SPILL_BYTES',
    description:
      'Size of recorded gateway calls in files of the data folder that the database does not have yet; above it new calls ' +
      'are refused. Above half of it calls wait for their row, unless the database is away.',
    default: '256MiB',
    example: '2GiB',
    schema: byteCount(),
  }),
  callLog: setting({
    variable: 'JETTY_CALL_LOG',
    description:
      'What the last byte of a gateway response waits for: `log`, the record in a file, which survives every kill of ' +
      'server and database; `sync`, that file on the disk, which survives a power loss; `commit`, the row in the ' +
      'database. Calls under a budget always wait for the row.',
    default: 'log',
    example: 'commit',
    schema: oneOf(['log', 'sync', 'commit']),
  }),
  recordingRequired: setting({
    variable: 'JETTY_RECORDING_REQUIRED',
    description:
      'Whether gateway calls are refused while the database is away, instead of being recorded in a file of the data ' +
      'folder.',
    default: 'false',
    example: 'true',
    schema: trueOrFalse(),
  }),
  clientStallSeconds: setting({
    variable: 'JETTY_CLIENT_STALL_SECONDS',
    description: 'Seconds after which a gateway client that reads nothing of its answer is disconnected.',
    default: '120',
    example: '30',
    schema: seconds(0.001),
  }),
  recordedAnswerBytes: setting({
    variable: 'JETTY_RECORDED_ANSWER_BYTES',
    description: 'Bytes of one answer that the gateway records; a longer answer is still passed on whole.',
    default: '16MiB',
    example: '64MiB',
    schema: byteCount(),
  }),
  openAnswersBytes: setting({
    variable: 'JETTY_OPEN_ANSWERS_BYTES',
    description:
      'Bytes of all open answers that the gateway holds for their records; beyond it, the first 64 KiB of each. ' +
      'Answers are still passed on whole.',
    default: '256MiB',
    example: '1GiB',
    schema: byteCount(),
  }),
  drainSeconds: setting({
    variable: 'JETTY_DRAIN_SECONDS',
    description: 'Time that running steps get when the server stops; the rest resumes at the next start.',
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
      'Requests with invalid tokens per minute from one address before it gets 429; valid tokens always pass. 0: no limit.',
    default: '300',
    example: '30',
    schema: wholeNumber(0, 1_000_000),
  }),
  rateLimit: setting({
    variable: 'JETTY_RATE_LIMIT',
    description: 'Calls a minute of one key; a collection can have a limit of its own. 0: no limit.',
    default: '0',
    example: '600',
    schema: wholeNumber(0, 1_000_000),
  }),
  logLevel: setting({
    variable: 'JETTY_LOG_LEVEL',
    description: 'Lowest level of log lines to write.',
    default: 'info',
    example: 'debug',
    schema: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  }),
}

type ValueOf<S> =
  S extends Setting<infer Schema, infer Default>
    ? z.output<Schema> | (Default extends undefined ? undefined : never)
    : never

/** The validated configuration of a process. */
export type Settings = { readonly [Name in keyof typeof declared]: ValueOf<(typeof declared)[Name]> }

/** All settings in the order of the reference page, for `--help` and the docs. */
export const settingList: readonly (Setting & { name: keyof Settings })[] = Object.entries(declared).map(
  ([name, one]) => ({ ...one, name: name as keyof Settings }),
)

/** Thrown for invalid environment variables; the message names each one and shows a valid value. */
export class ConfigError extends AppError {
  readonly variables: string[]

  constructor(problems: { variable: string; message: string }[]) {
    super('invalid', problems.map((problem) => problem.message).join('\n'))
    this.name = 'ConfigError'
    this.variables = problems.map((problem) => problem.variable)
  }
}

const complaint = (one: Setting, value: string, rule: string): string => {
  const shown = one.secret ? 'its value is secret and not shown here' : `it is ${JSON.stringify(value)}`
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
