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
/** A piece of an SQL statement: quoted pieces and comments are not looked into. */
interface SqlToken {
  kind: 'word' | 'quoted' | 'positional' | 'named' | 'symbol'
  text: string
  /** Index in the statement. */
  at: number
}

const space = /\s+/y
const word = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y
const number = /\d[\w.]*/y
const positional = /\$\d+/y
const named = /:[A-Za-z_]\w*/y
const dollarTag = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y

const matchAt = (expression: RegExp, text: string, at: number): string | undefined => {
  expression.lastIndex = at
  return expression.exec(text)?.[0]
}

/** The end of a quoted piece whose opening quote is at `from`; undefined if nothing closes it. */
const endOfQuoted = (text: string, from: number, hasEscapes: boolean): number | undefined => {
  const quote = text[from]
  for (let at = from + 1; at < text.length; at += 1) {
    if (hasEscapes && text[at] === '\\') at += 1
    else if (text[at] === quote) {
      if (text[at + 1] !== quote) return at + 1
      at += 1
    }
  }
  return undefined
}

/** The end of a comment, in which others may be nested. */
const endOfComment = (text: string, from: number): number | undefined => {
  let depth = 0
  for (let at = from; at < text.length; at += 1) {
    const two = text.slice(at, at + 2)
    if (two === '/*') depth += 1
    else if (two === '*/') depth -= 1
    else continue
    at += 1
    if (depth === 0) return at + 1
  }
  return undefined
}

const endOfDollarQuoted = (text: string, from: number, tag: string): number | undefined => {
  const end = text.indexOf(tag, from + tag.length)
  return end < 0 ? undefined : end + tag.length
}

/** The name of a placeholder: not the colon of a cast (`::`), of an assignment (`:=`) or of a slice (`[1:n]`). */
const namedAt = (text: string, at: number): string | undefined => {
  const before = text[at - 1] ?? ' '
  return /[\w:)\]"]/.test(before) ? undefined : matchAt(named, text, at)
}

/** Where a piece without a meaning for us ends; undefined if there is none at this place. */
const skipped = (text: string, at: number): number | undefined => {
  const blank = matchAt(space, text, at)
  if (blank !== undefined) return at + blank.length
  if (text.startsWith('--', at)) {
    const end = text.slice(at).search(/[\r\n]/)
    return end < 0 ? text.length : at + end
  }
  return text.startsWith('/*', at) ? (endOfComment(text, at) ?? -1) : undefined
}

const quotedAt = (text: string, at: number, last: SqlToken | undefined): number | undefined => {
  const character = text[at]
  if (character === "'" || character === '"') {
    const isEscaped = last?.kind === 'word' && /^e$/i.test(last.text) && last.at + 1 === at
    return endOfQuoted(text, at, isEscaped && character === "'") ?? -1
  }
  const tag = character === '$' ? matchAt(dollarTag, text, at) : undefined
  return tag === undefined ? undefined : (endOfDollarQuoted(text, at, tag) ?? -1)
}

const plainToken = (text: string, at: number): SqlToken => {
  const name = text[at] === ':' ? namedAt(text, at) : undefined
  if (name !== undefined) return { kind: 'named', text: name, at }
  const place = matchAt(positional, text, at)
  if (place !== undefined) return { kind: 'positional', text: place, at }
  const found = matchAt(word, text, at) ?? matchAt(number, text, at)
  if (found !== undefined) return { kind: 'word', text: found, at }
  return { kind: 'symbol', text: text.startsWith('::', at) ? '::' : (text[at] ?? ''), at }
}

/** Splits a statement as PostgreSQL does. Undefined if a quoted piece or a comment has no end. */
export const sqlTokens = (text: string): SqlToken[] | undefined => {
  const tokens: SqlToken[] = []
  for (let at = 0; at < text.length; ) {
    const after = skipped(text, at)
    const end = after ?? quotedAt(text, at, tokens.at(-1))
    if (end === -1) return undefined
    if (end !== undefined) {
      if (after === undefined) tokens.push({ kind: 'quoted', text: text.slice(at, end), at })
      at = end
      continue
    }
    const token = plainToken(text, at)
    tokens.push(token)
    at += token.text.length
  }
  return tokens
}

/** Statements that only read: everything else is refused in a read-only step before it is sent. */
const reading = new Set(['select', 'with', 'values', 'table', 'show', 'explain'])
/** Statements that would end or change the transaction around them, or keep it open when nobody is connected any more. */
const ofTransactions = new Set([
  ...['begin', 'start', 'commit', 'end', 'rollback', 'abort', 'savepoint', 'release', 'prepare'],
])

/** What is wrong with a statement before it is sent, as a sentence; undefined if nothing is. */
export const statementFault = (text: string, readOnly: boolean): string | undefined => {
  const tokens = sqlTokens(text)
  if (!tokens) return 'a quoted text or a comment has no end'
  const end = tokens.findIndex((token) => token.kind === 'symbol' && token.text === ';')
  if (end >= 0 && tokens.slice(end).some(({ text }) => text !== ';')) {
    return 'it has more than one statement; write a step for each, or one statement with WITH'
  }
  const first = tokens.find(({ kind, text }) => kind !== 'symbol' || text !== '(')
  const keyword = first?.kind === 'word' ? first.text.toLowerCase() : undefined
  if (keyword === undefined) return 'it has no statement'
  if (ofTransactions.has(keyword)) return `${keyword} is not supported: a step is a transaction of its own`
  if (keyword === 'copy') return 'copy is not supported; select with result csv writes a file'
  if (readOnly && !reading.has(keyword)) {
    return `${keyword} changes something, and the step is read-only; set read_only to false`
  }
  return undefined
}

/** A statement as it is sent: with `$1` for each value. */
export interface CompiledStatement {
  text: string
  values: unknown[]
  /** The place in the written statement of a place in the sent one; both count from 0. */
  origin(at: number): number
}

/** Compiles a statement with its values, or tells what is wrong with them. */
type Compilation = { statement: CompiledStatement } | { problem: string }

const namesIn = (tokens: readonly SqlToken[]): string[] => [
  ...new Set(tokens.flatMap(({ kind, text }) => (kind === 'named' ? [text.slice(1)] : []))),
]

const withNames = (
  text: string,
  tokens: readonly SqlToken[],
  values: Readonly<Record<string, unknown>>,
): Compilation => {
  if (tokens.some(({ kind }) => kind === 'positional')) {
    return { problem: 'the statement has $1, so parameters is a list; with an object of parameters write :name' }
  }
  const names = namesIn(tokens)
  const missing = names.find((name) => !Object.hasOwn(values, name))
  if (missing !== undefined) return { problem: `the statement has :${missing}, and parameters has no '${missing}'` }
  const numbers = new Map(names.map((name, at) => [name, at + 1]))
  let compiled = ''
  let from = 0
  const places: { sent: number; written: number }[] = [{ sent: 0, written: 0 }]
  for (const token of tokens) {
    if (token.kind !== 'named') continue
    compiled += `${text.slice(from, token.at)}$${numbers.get(token.text.slice(1))}`
    from = token.at + token.text.length
    places.push({ sent: compiled.length, written: from })
  }
  const origin = (at: number): number => {
    const place = places.findLast(({ sent }) => sent <= at)
    return place ? place.written + at - place.sent : at
  }
  return { statement: { text: compiled + text.slice(from), values: names.map((name) => values[name]), origin } }
}

const withPlaces = (text: string, tokens: readonly SqlToken[], values: readonly unknown[]): Compilation => {
  const numbers = tokens.map(({ kind, text }) => (kind === 'positional' ? Number(text.slice(1)) : 0))
  const most = numbers.reduce((one, other) => Math.max(one, other), 0)
  if (most !== values.length) {
    return { problem: `the statement has ${most} parameters ($1 to $${most}), and the list has ${values.length}` }
  }
  return { statement: { text, values: [...values], origin: (at) => at } }
}

/** Compiles a statement: a list gives `$1`, an object `:name`. Values never become part of the text. */
export const compileStatement = (
  text: string,
  parameters: readonly unknown[] | Readonly<Record<string, unknown>>,
): Compilation => {
  const tokens = sqlTokens(text)
  if (!tokens) return { problem: 'a quoted text or a comment has no end' }
  return Array.isArray(parameters)
    ? withPlaces(text, tokens, parameters)
    : withNames(text, tokens, parameters as Readonly<Record<string, unknown>>)
}

/** Names of an object of parameters that the statement does not use. */
export const unusedParameters = (text: string, parameters: Readonly<Record<string, unknown>>): string[] => {
  const used = new Set(namesIn(sqlTokens(text) ?? []))
  return Object.keys(parameters).filter((name) => !used.has(name))
}
