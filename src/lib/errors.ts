/**
 * All errors a caller can meet: code, HTTP status, whether a retry can help, and for the reference page the meaning and
 * the remedy. `AppError` is the only error class; anything else that is thrown is a bug and becomes `internal`.
 */
export const errorCodes = {
  unauthenticated: {
    status: 401,
    retryable: false,
    meaning: 'No token came, or one that is not valid.',
    remedy: 'Send `Authorization: Bearer <token>` with a valid key.',
  },
  forbidden: {
    status: 403,
    retryable: false,
    meaning: 'The token does not reach that far.',
    remedy: 'Use a key that may write, or the admin token where the call is for the admin.',
  },
  not_found: {
    status: 404,
    retryable: false,
    meaning: 'There is no such thing, or the token does not cover it.',
    remedy: 'Check the names in the path, and with `jetty whoami` what the token covers.',
  },
  method_not_allowed: {
    status: 405,
    retryable: false,
    meaning: 'The path exists, but not for this method.',
    remedy: 'The header `Allow` lists the methods.',
  },
  bad_request: {
    status: 400,
    retryable: false,
    meaning: 'The request cannot be carried out as it is.',
    remedy: 'The sentence says what is wrong with it.',
  },
  already_exists: {
    status: 400,
    retryable: false,
    meaning: 'The name is taken.',
    remedy: 'Choose another one, or change what has it.',
  },
  conflict: {
    status: 409,
    retryable: false,
    meaning: 'Something else is in the way, such as another server, or a run that was executed here.',
    remedy: 'The sentence says what.',
  },
  idempotency_conflict: {
    status: 409,
    retryable: false,
    meaning: 'The `Idempotency-Key` came with another request within the last 24 hours.',
    remedy: 'Send a new key with a new request; with an old key, exactly what was sent before.',
  },
  invalid: {
    status: 422,
    retryable: false,
    meaning: 'Body, query, form or setting is not valid.',
    remedy: 'Each entry of `detail` names a place and what is wrong.',
  },
  too_large: {
    status: 413,
    retryable: false,
    meaning: 'Larger than a limit allows.',
    remedy: 'Send less, or raise the setting that the message names.',
  },
  unsupported_encoding: {
    status: 415,
    retryable: false,
    meaning: 'The body of a call of the gateway is packed.',
    remedy: 'Send it as it is, without `Content-Encoding`.',
  },
  rate_limited: {
    status: 429,
    retryable: true,
    meaning: 'More calls in a minute than the key or the address may make.',
    remedy: 'Wait for the seconds of `Retry-After`.',
  },
  budget_exceeded: {
    status: 429,
    retryable: false,
    meaning: 'The budget of the collection for the day, or of the run, is used up.',
    remedy: 'Wait until the time that the sentence names, or raise the budget.',
  },
  quota_exceeded: {
    status: 429,
    retryable: false,
    meaning: 'The collection stores as much as it may, or keeps as many runs.',
    remedy: 'Delete runs or files, set retention_days, or have the quota of the collection raised.',
  },
  busy: {
    status: 503,
    retryable: true,
    meaning: 'More work arrives than can be written down, or than fits into memory.',
    remedy: 'Wait for the seconds of `Retry-After`.',
  },
  stopping: {
    status: 503,
    retryable: true,
    meaning: 'The server is being stopped.',
    remedy: 'Send it again once the server is back, or to another process of it.',
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
  still_running: {
    status: 524,
    retryable: false,
    meaning: '`run-sync` waited as long as it may; the run goes on.',
    remedy: 'Poll the trajectory. Do not send it again.',
  },
  not_supported: {
    status: 501,
    retryable: false,
    meaning: 'This server does not do that, and says what to do instead.',
    remedy: 'Follow the sentence.',
  },
  internal: {
    status: 500,
    retryable: false,
    meaning: 'A bug of the server.',
    remedy: "Look into the server's log, and report it.",
  },
  // Failures of a step. Clients find them in the trajectory, not as a status.
  reference_missing: {
    status: 422,
    retryable: false,
    meaning: 'A path leads to nothing.',
    remedy: 'The sentence names the first segment that failed and what is there.',
  },
  parameter_invalid: {
    status: 422,
    retryable: false,
    meaning: 'A parameter is missing or of the wrong kind.',
    remedy: 'The sentence names it.',
  },
  activity_failed: {
    status: 500,
    retryable: false,
    meaning: 'The activity itself failed.',
    remedy: 'Its own sentence is kept.',
  },
  child_failed: {
    status: 500,
    retryable: false,
    meaning: 'A run that the step started has failed.',
    remedy: 'The sentence names it and its own error; open that trajectory.',
  },
  output_too_large: {
    status: 413,
    retryable: false,
    meaning: 'The outputs are larger than is kept.',
    remedy: 'Save large results as files and pass their paths on.',
  },
  timed_out: {
    status: 504,
    retryable: false,
    meaning: 'The time of the step or the run was over.',
    remedy: 'Raise `timeout_sec`, or split the work.',
  },
  cancelled: {
    status: 409,
    retryable: false,
    meaning: 'Somebody asked the run to end, or the step was interrupted.',
    remedy: 'Start a new run.',
  },
  not_approved: {
    status: 409,
    retryable: false,
    meaning: 'Somebody rejected, or nobody decided in time.',
    remedy: 'Read the comment; run it again from this step to ask once more.',
  },
  replay_diverged: {
    status: 409,
    retryable: false,
    meaning: 'A replay came to a step that the recording has no result for, or only for other inputs.',
    remedy: 'The sentence names the step and what differs. Start a rerun to execute it.',
  },
  process_died: {
    status: 500,
    retryable: false,
    meaning: 'The process died ten times at this step.',
    remedy: 'Look into the log for what the step does to it.',
  },
  address_refused: {
    status: 403,
    retryable: false,
    meaning: 'The address is private, local or reserved, or the URL is of a kind that is never called.',
    remedy: 'If it may be called, list it in `JETTY_ALLOW_PRIVATE_NETWORK`.',
  },
  network_failed: {
    status: 502,
    retryable: true,
    meaning: 'Nothing answered, or the connection broke.',
    remedy: 'Check the host; it is tried again by itself.',
  },
  model_unavailable: {
    status: 422,
    retryable: false,
    meaning: 'No key in the environment of the run can serve the model; nothing was sent.',
    remedy: 'Set the variable that the sentence names, or take one of the models of `GET /v1/models`.',
  },
  price_unknown: {
    status: 422,
    retryable: false,
    meaning: 'The budget is one in US dollars, and nobody knows what the model costs; nothing was sent.',
    remedy: 'Set a budget in tokens beside it, which then limits such models.',
  },
  runbook_failed: {
    status: 500,
    retryable: false,
    meaning: 'The runbook was carried out, and did not succeed.',
    remedy: 'Its reason is named in `outputs.failure_reason`; the log of the agent and what it made are kept.',
  },
  sandbox_unavailable: {
    status: 503,
    retryable: false,
    meaning: 'Nothing here can run a coding agent apart from the rest of the machine.',
    remedy: 'Follow the sentence; `jetty doctor` shows what is missing.',
  },
  upstream_failed: {
    status: 502,
    retryable: false,
    meaning: 'Another service answered with a failure.',
    remedy: 'The sentence has its status and its words.',
  },
} as const

export type ErrorCode = keyof typeof errorCodes

export const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(errorCodes, code)

/** One entry of a 422: place of the value, what is wrong with it, and a stable code of the fault. */
export interface FieldIssue {
  loc: (string | number)[]
  msg: string
  type: string
}

export interface ErrorOptions {
  /** What to do next, for a person. */
  hint?: string
  cause?: unknown
  /** Overrides the code's own answer to "can trying again help?". */
  retryable?: boolean
  /** Seconds to wait before trying again; sent as `Retry-After`. */
  retryAfterSeconds?: number
  /** Members that stand beside `detail` in the response body. */
  extra?: Record<string, unknown>
  issues?: FieldIssue[]
}

/** The one error class: a code of the table above, a sentence for people, and what a handler needs to answer. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly retryable: boolean
  readonly retryAfterSeconds: number | undefined
  readonly extra: Record<string, unknown> | undefined
  readonly issues: FieldIssue[] | undefined

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.hint = options.hint
    this.retryable = options.retryable ?? errorCodes[code].retryable
    this.retryAfterSeconds = options.retryAfterSeconds
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
