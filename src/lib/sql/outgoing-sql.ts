/** One statement for a database outside. */
export interface OutgoingSql {
  /** Connection URL, with the credential. */
  url: string
  /** PEM certificate of the authority that signed that of the server. */
  caCertificate?: string | undefined
  /** With `$1` for each value. */
  text: string
  values: readonly unknown[]
  /** The place in the written statement of a place in `text`, for errors. */
  origin(at: number): number
  /** The statement as it was written, for errors. */
  written: string
  readOnly: boolean
  /** Whether the statement may be carried out twice: a failure with an unknown outcome is then retryable. */
  mayRepeat: boolean
  timeoutSeconds: number
  /** Rows above that are not read. */
  maxRows: number
  /** A result with more bytes fails. */
  maxBytes: number
  /** Called when the statement has succeeded, before it is committed; what it throws rolls back. */
  beforeCommit(): Promise<void>
  /** Hosts that may be called; undefined: any. */
  allowedHosts?: readonly string[] | undefined
  signal?: AbortSignal
}

export interface SqlColumn {
  name: string
  type: string
}

/** How a statement ended. */
export interface SqlOutcome {
  /** Rows inserted, updated or deleted. */
  affected: number
  /** Whether there were more rows than asked for. */
  hasMore: boolean
}

/** A statement under way. Read the rows, then call `finish`; call `close` in any case. */
export interface OpenSql {
  columns: SqlColumn[]
  /** Rows in order, in batches; each row has the values of the columns. */
  rows: AsyncIterable<unknown[][]>
  /** Commits what a statement has written, and ends a transaction that only reads. */
  finish(): Promise<SqlOutcome>
  /** Ends the connection; a statement under way is cancelled at the server. Never throws. */
  close(): Promise<void>
}

/** Opens a connection, begins a transaction and sends a statement. */
export type RunSql = (statement: OutgoingSql) => Promise<OpenSql>
