/** A token of a JSONPath: its kind, which is itself for punctuation. */
type Token = 'id' | 'number' | 'operator' | 'where' | string

const lexemes: [RegExp, (text: string) => Token | undefined][] = [
  [/[ \t\n]+/y, () => undefined],
  [/\.\./y, () => '..'],
  [/[a-zA-Z_@][a-zA-Z0-9_@-]*/y, (text) => (text === 'where' ? 'where' : 'id')],
  [/-?\d+/y, () => 'number'],
  [/'(?:[^'\\]|\\.)*'/y, () => 'id'],
  [/"(?:[^"\\]|\\.)*"/y, () => 'id'],
  [/`(?:this|parent)`/y, () => 'operator'],
  [/[*.[\]()$,:|&]/y, (text) => text],
]

const tokensOf = (path: string): Token[] | undefined => {
  const tokens: Token[] = []
  for (let at = 0; at < path.length; ) {
    let text: string | undefined
    for (const [pattern, tokenOf] of lexemes) {
      pattern.lastIndex = at
      text = pattern.exec(path)?.[0]
      if (text === undefined) continue
      const token = tokenOf(text)
      if (token !== undefined) tokens.push(token)
      break
    }
    if (text === undefined) return undefined
    at += text.length
  }
  return tokens
}

/** Reads names with commas between them. */
const fieldsEnd = (tokens: readonly Token[], at: number): number | undefined => {
  if (tokens[at] !== 'id') return undefined
  let end = at + 1
  while (tokens[end] === ',' && tokens[end + 1] === 'id') end += 2
  return end
}

/** Reads what stands in brackets: names, a number, `*` or a slice. */
const bracketsEnd = (tokens: readonly Token[], at: number): number | undefined => {
  let end = fieldsEnd(tokens, at)
  if (end === undefined && tokens[at] === '*') end = at + 1
  if (end === undefined) {
    end = tokens[at] === 'number' ? at + 1 : at
    if (tokens[end] === ':') end += tokens[end + 1] === 'number' ? 2 : 1
    else if (end === at) return undefined
  }
  return tokens[end] === ']' ? end + 1 : undefined
}

/** Reads one step: a root, names, `*`, brackets or parentheses, and the brackets after it. */
const stepEnd = (tokens: readonly Token[], at: number): number | undefined => {
  const token = tokens[at]
  let end: number | undefined
  if (token === '$' || token === '*' || token === 'operator') end = at + 1
  else if (token === '[') end = bracketsEnd(tokens, at + 1)
  else if (token === '(') {
    const inside = pathEnd(tokens, at + 1)
    end = inside !== undefined && tokens[inside] === ')' ? inside + 1 : undefined
  } else end = fieldsEnd(tokens, at)
  while (end !== undefined && tokens[end] === '[') end = bracketsEnd(tokens, end + 1)
  return end
}

const joints = new Set<Token>(['.', '..', '|', '&', 'where'])

const pathEnd = (tokens: readonly Token[], at: number): number | undefined => {
  let end = stepEnd(tokens, at)
  while (end !== undefined && joints.has(tokens[end] ?? '')) end = stepEnd(tokens, end + 1)
  return end
}

/** Whether a JSONPath can be read, by the grammar of jsonpath-rw: without filters, and slices without a step. */
export const isJsonPath = (path: string): boolean => {
  if (path.length > 2_000) return false
  const tokens = tokensOf(path)
  return tokens !== undefined && tokens.length > 0 && pathEnd(tokens, 0) === tokens.length
}
