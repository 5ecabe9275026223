import type { Pieces } from '../slices.ts'
import { type Assertion, parseRegex, type RegexNode, UnsupportedRegex } from './parse-regex.ts'

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
