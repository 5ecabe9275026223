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

/**
 * Parses a valid regular expression. Throws `UnsupportedRegex` for lookaround, backreferences and other parts that a
 * match in linear time cannot have.
 */
export const parseRegex = (source: string, flags: '' | 'u'): RegexNode => {
  let at = 0
  const taken = (expression: RegExp): RegExpExecArray | null => {
    expression.lastIndex = at
    const found = expression.exec(source)
    if (found) at += found[0].length
    return found
  }

  const escaped = (): RegexNode => {
    const two = source.slice(at, at + 2)
    const assertion = assertions[two]
    if (assertion) {
      at += 2
      return { kind: 'assertion', at: assertion }
    }
    if (/^\\(?:[1-9]|k|0\d)/.test(source.slice(at, at + 3))) throw new UnsupportedRegex('it has a backreference')
    const long = taken(longEscapes[flags])
    if (long) return atomOf(long[0], flags)
    at += 2
    return atomOf(two, flags)
  }

  const group = (depth: number): RegexNode => {
    if (source.startsWith('(?', at) && !/^\(\?(?::|<(?![=!]))/.test(source.slice(at, at + 4))) {
      throw new UnsupportedRegex('it has a lookahead, a lookbehind or a modifier')
    }
    if (depth === deepestGroup) throw new UnsupportedRegex(`its groups are nested more than ${deepestGroup} deep`)
    taken(groupStart)
    const inside = either(depth + 1)
    at += 1 // the closing parenthesis
    return inside
  }

  const single = (depth: number): RegexNode => {
    const character = flags === 'u' ? String.fromCodePoint(source.codePointAt(at) ?? 0) : (source[at] ?? '')
    if (character === '\\') return escaped()
    if (character === '(') return group(depth)
    const found = character === '[' ? taken(characterClass) : null
    if (found) return atomOf(found[0], flags)
    at += character.length
    const assertion = assertions[character]
    if (assertion) return { kind: 'assertion', at: assertion }
    return character === '.' ? atomOf('.', flags) : { kind: 'atom', matches: (one) => one === character }
  }

  const repeated = (of: RegexNode): RegexNode => {
    const found = taken(quantifier)
    if (!found) return of
    if (source[at] === '?') at += 1 // lazy: the same texts match
    const [sign, from, comma, to] = found
    if (from === undefined)
      return { kind: 'repeat', of, least: sign === '+' ? 1 : 0, most: sign === '?' ? 1 : Infinity }
    return { kind: 'repeat', of, least: Number(from), most: comma ? (to ? Number(to) : Infinity) : Number(from) }
  }

  const sequence = (depth: number): RegexNode => {
    const parts: RegexNode[] = []
    while (at < source.length && source[at] !== '|' && source[at] !== ')') parts.push(repeated(single(depth)))
    return { kind: 'sequence', parts }
  }

  const either = (depth: number): RegexNode => {
    const forms = [sequence(depth)]
    while (source[at] === '|') {
      at += 1
      forms.push(sequence(depth))
    }
    return forms.length === 1 && forms[0] ? forms[0] : { kind: 'either', forms }
  }

  return either(0)
}
