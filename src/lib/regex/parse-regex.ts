/** What a position between two characters has to be. */
export type Assertion = 'start' | 'end' | 'boundary' | 'inside'

export type RegexNode =
  | { kind: 'atom'; matches: (character: string) => boolean }
  | { kind: 'assertion'; at: Assertion }
  | { kind: 'sequence'; parts: readonly RegexNode[] }
  | { kind: 'either'; forms: readonly RegexNode[] }
  | { kind: 'repeat'; of: RegexNode; least: number; most: number }

/** A regular expression that cannot be matched in linear time, or is too large; the message says what it has. */
export class UnsupportedRegex extends Error {}

const deepestGroup = 50
const assertions: Readonly<Record<string, Assertion>> = { '^': 'start', $: 'end', '\\b': 'boundary', '\\B': 'inside' }
/** Escapes of one character that are longer than two; `\u{…}` and `\p{…}` are others without the flag `u`. */
const longEscapes = {
  u: /\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}\\u[0-9a-f]{4}|u[0-9a-f]{4}|u\{[0-9a-f]+\}|p\{[^}]*\}|c[a-z])/iy,
  '': /\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|c[a-z])/iy,
}
const characterClass = /\[(?:\\.|[^\]\\])*\]/sy
const quantifier = /[*+?]|\{(\d+)(?:(,)(\d*))?\}/y
const groupStart = /\((?:\?(?:<(?![=!])[^>]*>|:))?/y

const asciiCodes = 128

/** Makes the test of one character by the regular expression of the language itself, which is safe for one. */
const atomOf = (source: string, flags: string): RegexNode => {
  const expression = new RegExp(`^(?:${source})$`, flags)
  const known = new Int8Array(asciiCodes)
  const matches = (character: string): boolean => {
    const code = character.length === 1 ? character.charCodeAt(0) : asciiCodes
    if (code >= asciiCodes) return expression.test(character)
    if (known[code] === 0) known[code] = expression.test(character) ? 1 : -1
    return known[code] === 1
  }
  return { kind: 'atom', matches }
}

/** A regular expression while it is read. */
interface Reader {
  source: string
  flags: '' | 'u'
  at: number
}

/** Takes what an expression with the flag `y` finds at the place of the reader. */
const taken = (reader: Reader, expression: RegExp): RegExpExecArray | null => {
  expression.lastIndex = reader.at
  const found = expression.exec(reader.source)
  if (found) reader.at += found[0].length
  return found
}

const readEscape = (reader: Reader): RegexNode => {
  const { source, flags, at } = reader
  const two = source.slice(at, at + 2)
  const assertion = assertions[two]
  if (!assertion && /^\\(?:[1-9]|k|0\d)/.test(source.slice(at, at + 3))) {
    throw new UnsupportedRegex('it has a backreference')
  }
  const long = assertion ? null : taken(reader, longEscapes[flags])
  if (!long) reader.at += 2
  return assertion ? { kind: 'assertion', at: assertion } : atomOf(long ? long[0] : two, flags)
}

const readGroup = (reader: Reader, depth: number): RegexNode => {
  const { source, at } = reader
  if (source.startsWith('(?', at) && !/^\(\?(?::|<(?![=!]))/.test(source.slice(at, at + 4))) {
    throw new UnsupportedRegex('it has a lookahead, a lookbehind or a modifier')
  }
  if (depth === deepestGroup) throw new UnsupportedRegex(`its groups are nested more than ${deepestGroup} deep`)
  taken(reader, groupStart)
  const inside = readEither(reader, depth + 1)
  reader.at += 1 // the closing parenthesis
  return inside
}

const readSingle = (reader: Reader, depth: number): RegexNode => {
  const { source, flags, at } = reader
  const character = flags === 'u' ? String.fromCodePoint(source.codePointAt(at) ?? 0) : (source[at] ?? '')
  if (character === '\\') return readEscape(reader)
  if (character === '(') return readGroup(reader, depth)
  const found = character === '[' ? taken(reader, characterClass) : null
  if (found) return atomOf(found[0], flags)
  reader.at += character.length
  const assertion = assertions[character]
  if (assertion) return { kind: 'assertion', at: assertion }
  return character === '.' ? atomOf('.', flags) : { kind: 'atom', matches: (one) => one === character }
}

const readRepeated = (reader: Reader, of: RegexNode): RegexNode => {
  const found = taken(reader, quantifier)
  if (!found) return of
  if (reader.source[reader.at] === '?') reader.at += 1 // lazy: the same texts match
  const [sign, from, comma, to] = found
  const endless = Number.POSITIVE_INFINITY
  if (from === undefined) return { kind: 'repeat', of, least: sign === '+' ? 1 : 0, most: sign === '?' ? 1 : endless }
  return { kind: 'repeat', of, least: Number(from), most: comma ? (to ? Number(to) : endless) : Number(from) }
}

const readSequence = (reader: Reader, depth: number): RegexNode => {
  const parts: RegexNode[] = []
  while (reader.at < reader.source.length && !'|)'.includes(reader.source[reader.at] ?? '')) {
    parts.push(readRepeated(reader, readSingle(reader, depth)))
  }
  return { kind: 'sequence', parts }
}

const readEither = (reader: Reader, depth: number): RegexNode => {
  const first = readSequence(reader, depth)
  const forms = [first]
  while (reader.source[reader.at] === '|') {
    reader.at += 1
    forms.push(readSequence(reader, depth))
  }
  return forms.length === 1 ? first : { kind: 'either', forms }
}

/**
 * Parses a valid regular expression. Throws `UnsupportedRegex` for lookaround, backreferences and other parts that a
 * match in linear time cannot have.
 */
export const parseRegex = (source: string, flags: '' | 'u'): RegexNode => readEither({ source, flags, at: 0 }, 0)
