import { type SqlToken, sqlTokens } from './sql-tokens.ts'

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
