/**
 * All errors a caller can meet: code, HTTP status, whether a retry can help, and for the reference page the meaning and
 * the remedy. `AppError` is the only error class; anything else that is thrown is a bug and becomes `internal`.
 */
export const errorCodes = {
  unauthenticated: {
    status: 401,
    retryable: false,
    meaning: 'The request has no token, or the token is not valid.',
    remedy: 'Send `Authorization: Bearer <token>` with a valid key.',
  },
  forbidden: {
    status: 403,
    retryable: false,
    meaning: 'The token does not allow this call.',
    remedy: 'Use a key with write access, or the admin token for calls that only the admin may make.',
  },
  not_found: {
    status: 404,
    retryable: false,
    meaning: 'The object does not exist, or the token does not cover its collection.',
    remedy: 'Check the names in the path, and the collections of the token with `jetty whoami`.',
  },
  method_not_allowed: {
    status: 405,
    retryable: false,
    meaning: 'The path does not support this method.',
    remedy: 'Use one of the methods in the response header `Allow`.',
  },
  bad_request: {
    status: 400,
    retryable: false,
    meaning: 'The request cannot be processed as it was sent.',
    remedy: 'Correct what the message names.',
  },
  already_exists: {
    status: 400,
    retryable: false,
    meaning: 'The name already exists.',
    remedy: 'Choose another name, or update the existing object.',
  },
  conflict: {
    status: 409,
    retryable: false,
    meaning: 'The request conflicts with the current state, such as another server or a run that was executed here.',
    remedy: 'Resolve the conflict that the message names.',
  },
  precondition_failed: {
    status: 412,
    retryable: false,
    meaning: 'The object was changed after the state that `If-Match` names.',
    remedy: 'Read the object again, apply the change to its new state, and send the new `ETag`.',
  },
  idempotency_conflict: {
    status: 409,
    retryable: false,
    meaning: 'The `Idempotency-Key` was used for a different request within the last 24 hours.',
    remedy: 'Use a new key for a new request, or repeat the first request unchanged.',
  },
  invalid: {
    status: 422,
    retryable: false,
    meaning: 'The body, query, form or setting is not valid.',
    remedy: 'Correct the fields that the entries of `detail` name.',
  },
  too_large: {
    status: 413,
    retryable: false,
    meaning: 'The request or file is larger than a limit allows.',
    remedy: 'Send less, or raise the setting that the message names.',
  },
  unsupported_encoding: {
    status: 415,
    retryable: false,
    meaning: 'The body of a gateway call is compressed.',
    remedy: 'Send it uncompressed, without `Content-Encoding`.',
  },
  rate_limited: {
    status: 429,
    retryable: true,
    meaning: 'The key or the address made more calls per minute than its rate limit allows.',
    remedy: 'Wait for the number of seconds in `Retry-After`.',
  },
  budget_exceeded: {
    status: 429,
    retryable: false,
    meaning: 'The daily budget of the collection, or the budget of the run, is used up.',
    remedy: 'Wait until the time in the message, or raise the budget.',
  },
  quota_exceeded: {
    status: 429,
    retryable: false,
    meaning: 'The collection has reached its quota of stored bytes or runs.',
    remedy: 'Delete runs or files, set retention_days, or ask the admin for a larger quota.',
  },
  paused: {
    status: 409,
    retryable: false,
    meaning: 'The collection is paused: it accepts no new runs and calls to models.',
    remedy: 'Resume it with `jetty collections resume`, or ask the operator of the server.',
  },
  busy: {
    status: 503,
    retryable: true,
    meaning: 'Work arrives faster than the server can store it or hold it in memory.',
    remedy: 'Wait for the number of seconds in `Retry-After`.',
  },
  stopping: {
    status: 503,
    retryable: true,
    meaning: 'The server is stopping.',
    remedy: 'Send the request again once the server is back, or to another server process.',
  },
  database_unavailable: {
    status: 503,
    retryable: true,
    meaning: 'Postgres does not answer right now; nothing was lost.',
    remedy: 'Try again in a moment.',
  },
  storage_full: {
    status: 507,
    retryable: true,
    meaning: 'The disk that holds the files is full.',
    remedy: 'Free some space, then send the file again.',
  },
  storage_unavailable: {
    status: 503,
    retryable: true,
    meaning: 'The object storage with the files does not answer right now; nothing was lost.',
    remedy: 'Try again in a moment. Steps wait by themselves.',
  },
  object_missing: {
    status: 500,
    retryable: false,
    meaning: 'The database lists the file, but its bytes are not in the storage: data was lost.',
    remedy: 'Restore the bytes from a backup. The log of the server names the object.',
  },
  still_running: {
    status: 524,
    retryable: false,
    meaning: '`run-sync` reached its time limit; the run continues.',
    remedy: 'Poll the trajectory. Do not start the run again.',
  },
  not_supported: {
    status: 501,
    retryable: false,
    meaning: 'This server does not support the operation; the message names the alternative.',
    remedy: 'Use the alternative that the message names.',
  },
  internal: {
    status: 500,
    retryable: false,
    meaning: 'A bug of the server.',
    remedy: "Look for the error in the server's log, and report it.",
  },
  // Failures of a step. Clients find them in the trajectory, not as a status.
  reference_missing: {
    status: 422,
    retryable: false,
    meaning: 'A path expression points at a value that does not exist.',
    remedy: 'Correct the path: the message names the first segment that failed and what exists there.',
  },
  parameter_invalid: {
    status: 422,
    retryable: false,
    meaning: 'A parameter is missing or has the wrong type.',
    remedy: 'Correct the parameter that the message names.',
  },
  activity_failed: {
    status: 500,
    retryable: false,
    meaning: 'The activity failed.',
    remedy: 'The message is that of the activity; follow it.',
  },
  child_failed: {
    status: 500,
    retryable: false,
    meaning: 'A run that the step started has failed.',
    remedy: 'Open the trajectory of the run that the message names.',
  },
  output_too_large: {
    status: 413,
    retryable: false,
    meaning: 'The outputs of the step are larger than the limit.',
    remedy: 'Save large results as files and pass their paths on.',
  },
  timed_out: {
    status: 504,
    retryable: false,
    meaning: 'The step or the run reached its time limit.',
    remedy: 'Raise `timeout_sec`, or split the work.',
  },
  cancelled: {
    status: 409,
    retryable: false,
    meaning: 'The run was cancelled, or the step was interrupted.',
    remedy: 'Start a new run.',
  },
  not_approved: {
    status: 409,
    retryable: false,
    meaning: 'The approval was rejected, or expired without a decision.',
    remedy: 'Read the comment. To ask again, rerun the run from this step.',
  },
  replay_diverged: {
    status: 409,
    retryable: false,
    meaning: 'A replay reached a step for which the recording has no result, or only a result for other inputs.',
    remedy: 'Start a rerun to execute the step. The message names the step and the difference.',
  },
  effect_withheld: {
    status: 409,
    retryable: false,
    meaning: 'A trial of another version came to a step that writes, and has no recorded result for its inputs.',
    remedy:
      "Allow the step by name, declare `effects: 'none'` in its options if it may be repeated, or judge what came before it.",
  },
  process_died: {
    status: 500,
    retryable: false,
    meaning: 'The server process crashed ten times while it executed this step.',
    remedy: "Look for the cause of the crashes in the server's log.",
  },
  worker_lost: {
    status: 500,
    retryable: false,
    meaning: 'Workers stopped sending heartbeats while they carried out the job of this step.',
    remedy: 'Look into the log of the worker that the message names.',
  },
  address_refused: {
    status: 403,
    retryable: false,
    meaning: 'The address is private, local or reserved, or the URL has a scheme that is never called.',
    remedy: 'To allow a private address, list it in `JETTY_ALLOW_PRIVATE_NETWORK`.',
  },
  network_failed: {
    status: 502,
    retryable: true,
    meaning: 'The host did not answer, or the connection broke.',
    remedy: 'Check the host. The call is retried automatically.',
  },
  model_unavailable: {
    status: 422,
    retryable: false,
    meaning: 'The environment of the run has no key for the model; nothing was sent.',
    remedy: 'Set the variable that the message names, or use one of the models of `GET /v1/models`.',
  },
  price_unknown: {
    status: 422,
    retryable: false,
    meaning: 'The budget is in US dollars, and the price of the model is not known; nothing was sent.',
    remedy: 'Add a budget in tokens; it limits models without a known price.',
  },
  runbook_failed: {
    status: 500,
    retryable: false,
    meaning: 'The runbook ran, and did not succeed.',
    remedy: 'Read the reason in `outputs.failure_reason`, and the stored log and files of the agent.',
  },
  sandbox_unavailable: {
    status: 503,
    retryable: false,
    meaning: 'The server has no sandbox that isolates coding agents and scripts from the rest of the machine.',
    remedy: 'Follow the message; `jetty doctor` shows what is missing.',
  },
  upstream_failed: {
    status: 502,
    retryable: false,
    meaning: 'Another service answered with an error.',
    remedy: 'Read the status and the message of that service in the error.',
  },
} as const

export type ErrorCode = keyof typeof errorCodes

export const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(errorCodes, code)

/** One fault of a 422: the path of the value, the problem, and a stable code. */
export interface FieldIssue {
  loc: (string | number)[]
  msg: string
  type: string
}

interface ErrorOptions {
  /** The next thing that a person should do. */
  hint?: string
  cause?: unknown
  /** Overrides the code's own answer to "can trying again help?". */
  retryable?: boolean
  /** Seconds to wait before trying again; sent as `Retry-After`. */
  retryAfterSeconds?: number
  /** Whether the client must not repeat the request: it was repeated here. Sent as `x-should-retry: false`. */
  isFinal?: boolean
  /** Members beside `detail` in the response body. */
  extra?: Record<string, unknown>
  issues?: FieldIssue[]
}

/** The one error class: a code of the table above, a sentence for people, and what a handler needs to answer. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly retryable: boolean
  readonly retryAfterSeconds: number | undefined
  readonly isFinal: boolean
  readonly extra: Record<string, unknown> | undefined
  readonly issues: FieldIssue[] | undefined

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.hint = options.hint
    this.retryable = options.retryable ?? errorCodes[code].retryable
    this.retryAfterSeconds = options.retryAfterSeconds
    this.isFinal = options.isFinal ?? ['budget_exceeded', 'quota_exceeded', 'paused'].includes(code)
    this.extra = options.extra
    this.issues = options.issues
  }

  get status(): number {
    return errorCodes[this.code].status
  }
}

/** A 422 that names one field, as `{"detail":[{loc,msg,type}]}`. */
export const invalidField = (loc: (string | number)[], msg: string, type = 'value_error'): AppError =>
  new AppError('invalid', msg, { issues: [{ loc, msg, type }] })

/** Converts anything thrown to an AppError; unknown errors become `internal` and keep their cause for the log. */
export const toAppError = (thrown: unknown): AppError =>
  thrown instanceof AppError ? thrown : new AppError('internal', 'Internal Server Error', { cause: thrown })

/** Whether a retry may succeed once Postgres answers again. */
export const isDatabaseUnavailable = (thrown: unknown): boolean =>
  thrown instanceof AppError && thrown.code === 'database_unavailable'

/** Message of anything thrown, without a stack. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message || thrown.name : String(thrown)
