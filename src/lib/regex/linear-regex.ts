import type { Pieces } from '../slices.ts'

/** What a position between two characters has to be. */
type Assertion = 'start' | 'end' | 'boundary' | 'inside'

type RegexNode =
  | { kind: 'atom'; matches: (character: string) => boolean }
  | { kind: 'assertion'; at: Assertion }
  | { kind: 'sequence'; parts: readonly RegexNode[] }
  | { kind: 'either'; forms: readonly RegexNode[] }
  | { kind: 'repeat'; of: RegexNode; least: number; most: number }

/** A regular expression that cannot be matched in linear time, or is too large; the message says what it has. */
class UnsupportedRegex extends Error {}

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
const parseRegex = (source: string, flags: '' | 'u'): RegexNode => readEither({ source, flags, at: 0 }, 0)

/**
 * A regular expression that is matched in time proportional to the length of the text, whatever both are. The answer is
 * undefined where it would take more than the given steps.
 */
export interface LinearRegex {
  test(text: string, mostSteps: number): Pieces<{ found: boolean | undefined; steps: number }>
  /** What it took to make: instructions, and characters of the source. */
  readonly size: number
}

type Instruction =
  | { op: 'atom'; matches: (character: string) => boolean; next: number }
  | { op: 'assertion'; at: Assertion; next: number }
  | { op: 'split'; next: number; other: number }
  | { op: 'match' }

const longestSource = 2_000
const mostInstructions = 2_000
/** A repetition of nothing has no instructions, but takes time. */
const mostVisits = 5_000
/** Steps of one piece: 3 ms. */
const stepsOfPiece = 100_000

/** Makes the instructions of an automaton: counted repetitions are written out. */
const compile = (root: RegexNode): { program: Instruction[]; start: number } => {
  const program: Instruction[] = []
  let visits = 0
  const add = (instruction: Instruction): number => {
    if (program.length === mostInstructions) throw new UnsupportedRegex('its repetitions are too large')
    return program.push(instruction) - 1
  }
  const repeat = ({ of, least, most }: Extract<RegexNode, { kind: 'repeat' }>, next: number): number => {
    let start = next
    if (most === Number.POSITIVE_INFINITY) {
      const loop: Instruction = { op: 'split', next, other: next }
      start = add(loop)
      loop.next = visit(of, start)
    } else {
      for (let n = least; n < most; n++) start = add({ op: 'split', next: visit(of, start), other: next })
    }
    for (let n = 0; n < least; n++) start = visit(of, start)
    return start
  }
  /** Adds what comes before `next`; returns where it starts. */
  const visit = (node: RegexNode, next: number): number => {
    visits += 1
    if (visits > mostVisits) throw new UnsupportedRegex('its repetitions are too large')
    if (node.kind === 'atom') return add({ op: 'atom', matches: node.matches, next })
    if (node.kind === 'assertion') return add({ op: 'assertion', at: node.at, next })
    if (node.kind === 'repeat') return repeat(node, next)
    if (node.kind === 'sequence') return node.parts.reduceRight((after, part) => visit(part, after), next)
    return node.forms
      .map((form) => visit(form, next))
      .reduceRight((other, start) => add({ op: 'split', next: start, other }))
  }
  const match = add({ op: 'match' })
  return { start: visit(root, match), program }
}

const isWord = (character: string): boolean => /^\w$/.test(character)

const holds = (at: Assertion, before: string, after: string): boolean => {
  if (at === 'start') return before === ''
  if (at === 'end') return after === ''
  return (isWord(before) !== isWord(after)) === (at === 'boundary')
}

/** Follows all ways through the automaton at once, a character at a time: none is taken twice. */
const makeTest = ({ program, start }: ReturnType<typeof compile>, isUnicode: boolean): LinearRegex['test'] => {
  const characterAt = (text: string, at: number): string => {
    const unit = text[at] ?? ''
    return isUnicode && unit >= '\ud800' && unit < '\udc00' ? String.fromCodePoint(text.codePointAt(at) ?? 0) : unit
  }

  return function* (text, mostSteps) {
    const seen = new Uint32Array(program.length)
    const open: number[] = []
    let waiting: number[] = []
    let next: number[] = []
    let before = ''
    let steps = 0
    let pauseAt = stepsOfPiece
    for (let at = 0, round = 1; ; round++) {
      const after = at < text.length ? characterAt(text, at) : ''
      open.push(start) // a match may begin anywhere
      for (const place of waiting) open.push(place)
      next.length = 0
      for (let place = open.pop(); place !== undefined; place = open.pop()) {
        if (seen[place] === round) continue
        seen[place] = round
        steps += 1
        const instruction = program[place] as Instruction
        if (instruction.op === 'match') return { found: true, steps }
        if (instruction.op === 'split') open.push(instruction.next, instruction.other)
        else if (instruction.op === 'assertion') {
          if (holds(instruction.at, before, after)) open.push(instruction.next)
        } else if (after !== '' && instruction.matches(after)) next.push(instruction.next)
      }
      ;[waiting, next] = [next, waiting]
      if (after === '') return { found: false, steps }
      if (steps > mostSteps) return { found: undefined, steps }
      if (steps > pauseAt) {
        pauseAt = steps + stepsOfPiece
        yield
      }
      before = after
      at += after.length
    }
  }
}

const isValid = (source: string, flags: string): boolean => {
  try {
    new RegExp(source, flags)
    return true
  } catch {
    return false
  }
}

/**
 * Makes a regular expression of JSON Schema: that of JavaScript, with the flag `u` where it is valid with it. Returns what
 * is wrong where it is not valid, or cannot be matched in linear time.
 */
export const linearRegex = (source: string): LinearRegex | { invalid: string } | { unsupported: string } => {
  if (source.length > longestSource) return { unsupported: `it is longer than ${longestSource} characters` }
  const flags = isValid(source, 'u') ? 'u' : ''
  if (!flags && !isValid(source, '')) return { invalid: 'it is not a valid regular expression' }
  try {
    const compiled = compile(parseRegex(source, flags))
    return { test: makeTest(compiled, flags === 'u'), size: compiled.program.length + source.length }
  } catch (error) {
    if (error instanceof UnsupportedRegex) return { unsupported: error.message }
    throw error
  }
}
