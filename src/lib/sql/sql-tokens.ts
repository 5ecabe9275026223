/** A piece of an SQL statement: quoted pieces and comments are not looked into. */
export interface SqlToken {
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
