import { isMap, isNode, isPair, isScalar, isSeq, Lexer, type Pair, parseDocument } from 'yaml'
import type { RunbookLimits } from '../../../model/runbooks/runbook.ts'
import { type Position, positionsIn } from './positions.ts'

interface FrontMatterProblem extends Position {
  message: string
  /** Set where the runbook is too long: nothing else of it was read. */
  fix?: string
}

/** YAML between the two `---` lines at the top of a runbook. */
export interface FrontMatter {
  /** Line of the opening `---`. */
  line: number
  values: Record<string, unknown>
  problems: FrontMatterProblem[]
  /**
   * Position of a key path, such as `['secrets', 'API', 'env']`; of the nearest existing ancestor when it is absent.
   */
  positionOf(...path: string[]): Position
}

interface SplitRunbook {
  /** Undefined without front matter. */
  frontMatter: FrontMatter | undefined
  /** Text with the front matter blanked out, so that its positions equal those in the file. */
  body: string
  /** The whole text, with the same line ends as `body`. */
  whole: string
}

/** Last line on which the front matter may open: a title or comment may precede it. */
const lastLineOfOpening = 5
/** Maximum characters of a front matter; the longest published one has 3,000. */
const longestFrontMatter = 32 * 1024

/** Splits a runbook into front matter and text. Never throws; reports faults as problems. */
export const splitRunbook = (text: string, limits: RunbookLimits): SplitRunbook => {
  const excess = (most: number, what: string, variable: string) =>
    unread(`The runbook has more than ${most} ${what}; ${variable} sets the limit`)
  if (text.length > limits.characters) return excess(limits.characters, 'characters', 'JETTY_RUNBOOK_CHARACTERS')
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)
  if (lines.length > limits.lines) return excess(limits.lines, 'lines', 'JETTY_RUNBOOK_LINES')
  const whole = lines.join('\n')
  const open = lines.slice(0, lastLineOfOpening).findIndex((line) => line.trimEnd() === '---')
  const length = open < 0 ? -1 : lines.slice(open + 1).findIndex((line) => /^(---|\.\.\.)\s*$/.test(line))
  if (open < 0 || isRuleAcross(lines, open, length >= 0)) return { frontMatter: undefined, body: whole, whole }
  if (length < 0) {
    const problem = { line: open + 1, column: 1, message: 'The front matter has no closing ---' }
    return { frontMatter: emptyFrontMatter(open + 1, [problem]), body: whole, whole }
  }
  const close = open + 1 + length
  const body = [...lines.slice(0, open), ...Array(close - open + 1).fill(''), ...lines.slice(close + 1)]
  const frontMatter = readFrontMatter(lines.slice(open + 1, close).join('\n'), open + 1)
  return { frontMatter, body: body.join('\n'), whole }
}

const unread = (message: string): SplitRunbook => ({
  frontMatter: emptyFrontMatter(1, [
    { line: 1, column: 1, message, fix: 'Write it shorter, or put a part of it into an input file.' },
  ]),
  body: '',
  whole: '',
})

/** `---` is a thematic break too: below a title, or unclosed, it opens front matter only when a key follows. */
const isRuleAcross = (lines: readonly string[], open: number, isClosed: boolean): boolean => {
  const isAtTop = lines.slice(0, open).every((line) => line.trim() === '')
  if (isAtTop && isClosed) return false
  const next = lines.slice(open + 1, open + 1 + lastLineOfOpening).find((line) => line.trim() !== '')
  const isAboveKey = /^[A-Za-z_][\w-]*[ \t]*:([ \t]|$)/.test(next ?? '')
  return !isAboveKey || (!isAtTop && !isClosed)
}

const emptyFrontMatter = (line: number, problems: FrontMatterProblem[]): FrontMatter => ({
  line,
  values: {},
  problems,
  positionOf: () => ({ line, column: 1 }),
})

/** Parses the YAML; `line` is that of the opening `---`. */
const readFrontMatter = (yaml: string, line: number): FrontMatter => {
  const refused = (message: string) => emptyFrontMatter(line, [{ line: line + 1, column: 1, message }])
  if (yaml.length > longestFrontMatter) return refused('The front matter is longer than 32 KiB')
  const excess = excessOf(yaml)
  if (excess) return refused(`The front matter ${excess}`)
  const document = parseDocument(yaml, { prettyErrors: false, uniqueKeys: true, logLevel: 'error' })
  const places = positionsIn(yaml)
  const at = (offset: number): Position => {
    const place = places(Math.min(offset, yaml.length))
    return { line: line + place.line, column: place.column }
  }
  const faults = [...document.errors, ...document.warnings]
  const problems = faults.map((fault) => ({ ...at(fault.pos[0]), message: fault.message }))
  if (problems.length > 0) return emptyFrontMatter(line, problems)
  const root = document.contents
  if (root !== null && !isMap(root)) return refused('The front matter is not a list of keys and values')
  const values = valuesOf(() => document.toJS({ maxAliasCount: 20 }))
  if (!values) return refused('The aliases of the front matter expand to too much text')
  return {
    line,
    values,
    problems,
    positionOf(...path) {
      let found: Position = { line, column: 1 }
      let node: unknown = root
      for (const name of path) {
        const [key, value] = entryOf(node, name)
        if (isNode(key) && key.range) found = at(key.range[0])
        if (value === undefined) break
        node = value
      }
      return found
    },
  }
}

/** Finds an entry of a map or list, and the node at its position. */
const entryOf = (node: unknown, name: string): [place: unknown, value: unknown] => {
  if (isSeq(node)) {
    const item = node.items[Number(name)]
    return [item, item]
  }
  const pair = isMap(node) ? node.items.find((one) => isPair(one) && keyOf(one) === name) : undefined
  return [pair?.key, pair?.value]
}

const keyOf = ({ key }: Pair): string => String(isScalar(key) ? key.value : key)

/** Converts the document to values; undefined when its aliases would explode. */
const valuesOf = (read: () => unknown): Record<string, unknown> | undefined => {
  try {
    return (read() ?? {}) as Record<string, unknown>
  } catch {
    return undefined
  }
}

/** Maximum nesting: the parser recurses once a level, and overflowing its stack cannot be caught. */
const deepest = 64
/** Maximum keys, items and commas: the parser compares each key with all others. */
const mostEntries = 1_000
/** Maximum anchors and aliases: each alias walks through the whole document. */
const mostAnchors = 64

/** Says what there is too much of in YAML, by its tokens: parsing that takes seconds. Undefined when it may be parsed. */
const excessOf = (yaml: string): string | undefined => {
  let brackets = 0
  let marks = 0
  let entries = 0
  let anchors = 0
  let isScalar = false
  for (const token of new Lexer().lex(yaml)) {
    if (isScalar) isScalar = false
    else if (token === '\x1f') isScalar = true
    else if (token === '[' || token === '{') brackets++
    else if (token === ']' || token === '}') brackets--
    else if (token.startsWith('\n')) marks = 0
    else if (token === '-' || token === '?' || token === ':' || token === ',') {
      entries++
      if (token !== ',' && (token !== ':' || brackets <= 0)) marks++
    } else if (token.startsWith('&') || token.startsWith('*')) anchors++
    if (brackets > deepest || marks > deepest) return 'is nested too deeply'
    if (entries > mostEntries) return `has more than ${mostEntries} keys and items`
    if (anchors > mostAnchors) return `has more than ${mostAnchors} anchors and aliases`
  }
  return undefined
}
