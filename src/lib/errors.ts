/**
 * Every error a caller can meet, defined once: what it is called, the HTTP status it maps to, and whether trying again
 * can help. `AppError` is the only error class; everything else that is thrown is a bug and becomes `internal`.
 */
export const errorCodes = {
  unauthenticated: { status: 401, retryable: false },
  forbidden: { status: 403, retryable: false },
  not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  bad_request: { status: 400, retryable: false },
  already_exists: { status: 400, retryable: false },
  conflict: { status: 409, retryable: false },
  invalid: { status: 422, retryable: false },
  too_large: { status: 413, retryable: false },
  rate_limited: { status: 429, retryable: true },
  busy: { status: 503, retryable: true },
  database_unavailable: { status: 503, retryable: true },
  storage_full: { status: 507, retryable: true },
  still_running: { status: 524, retryable: false },
  not_implemented: { status: 501, retryable: false },
  internal: { status: 500, retryable: false },
  // What a step can fail with. They reach a client inside a trajectory, not as a status.
  workflow_invalid: { status: 422, retryable: false },
  reference_missing: { status: 422, retryable: false },
  parameter_invalid: { status: 422, retryable: false },
  activity_failed: { status: 500, retryable: false },
  output_too_large: { status: 413, retryable: false },
  timed_out: { status: 504, retryable: false },
  cancelled: { status: 409, retryable: false },
  process_died: { status: 500, retryable: false },
  address_refused: { status: 403, retryable: false },
  network_failed: { status: 502, retryable: true },
  upstream_failed: { status: 502, retryable: false },
} as const

export type ErrorCode = keyof typeof errorCodes

/** One entry of a 422: where the value was, what is wrong with it, and a stable word for the kind of fault. */
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

/** Whatever was thrown, as an AppError: unknown things become `internal` and keep their cause for the log. */
export const toAppError = (thrown: unknown): AppError =>
  thrown instanceof AppError ? thrown : new AppError('internal', 'Internal Server Error', { cause: thrown })

/** The sentence of whatever was thrown, without a stack. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message || thrown.name : String(thrown)
