import { isMap, isPair, isScalar, LineCounter, type Pair, parseDocument } from 'yaml'

/** A place in the text of a runbook, both numbers 1-based. */
export interface Position {
  line: number
  column: number
}

export interface FrontMatterProblem extends Position {
  message: string
}

/** The YAML between the two `---` lines at the top of a runbook. */
export interface FrontMatter {
  /** The line of the opening `---`. */
  line: number
  values: Record<string, unknown>
  problems: FrontMatterProblem[]
  /** Where a key stands, such as `['secrets', 'API', 'env']`; the nearest one above where it stands nowhere. */
  positionOf(...path: string[]): Position
}

export interface SplitRunbook {
  /** Undefined where there is none. */
  frontMatter: FrontMatter | undefined
  /** What follows it, with the front matter as empty lines: places in it are places in the whole. */
  body: string
}

/** Blank lines and a title may stand before the front matter: so many lines at the most. */
const mostLinesBefore = 5

/** Splits a runbook into front matter and text. Never throws: what is wrong is among the problems. */
export const splitRunbook = (text: string): SplitRunbook => {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)
  const open = lines.slice(0, mostLinesBefore).findIndex((line) => line.trimEnd() === '---')
  const startsIt = open >= 0 && lines.slice(0, open).every((line) => line.trim() === '' || line.startsWith('#'))
  if (!startsIt) return { frontMatter: undefined, body: lines.join('\n') }
  const length = lines.slice(open + 1).findIndex((line) => /^(---|\.\.\.)\s*$/.test(line))
  if (length < 0) {
    const problem = { line: open + 1, column: 1, message: 'The front matter has no closing ---' }
    return { frontMatter: emptyFrontMatter(open + 1, [problem]), body: lines.join('\n') }
  }
  const close = open + 1 + length
  const body = [...lines.slice(0, open), ...Array(close - open + 1).fill(''), ...lines.slice(close + 1)]
  return { frontMatter: readFrontMatter(lines.slice(open + 1, close).join('\n'), open + 1), body: body.join('\n') }
}

const emptyFrontMatter = (line: number, problems: FrontMatterProblem[]): FrontMatter => ({
  line,
  values: {},
  problems,
  positionOf: () => ({ line, column: 1 }),
})

/** `line` is that of the opening `---`. */
const readFrontMatter = (yaml: string, line: number): FrontMatter => {
  const lineCounter = new LineCounter()
  const document = parseDocument(yaml, { lineCounter, prettyErrors: false, uniqueKeys: true })
  const at = (offset: number): Position => {
    const place = lineCounter.linePos(offset)
    return { line: line + place.line, column: place.col }
  }
  const faults = [...document.errors, ...document.warnings]
  const problems = faults.map((fault) => ({ ...at(fault.pos[0]), message: fault.message }))
  if (problems.length > 0) return emptyFrontMatter(line, problems)
  const root = document.contents
  if (root !== null && !isMap(root)) {
    const message = 'The front matter is no list of keys and values'
    return emptyFrontMatter(line, [{ line: line + 1, column: 1, message }])
  }
  return {
    line,
    values: valuesOf(() => document.toJS({ maxAliasCount: 20 })),
    problems,
    positionOf(...path) {
      let found: Position = { line, column: 1 }
      let node: unknown = root
      for (const name of path) {
        const pair: Pair | undefined = isMap(node)
          ? node.items.find((one) => isPair(one) && keyOf(one) === name)
          : undefined
        if (!pair) return found
        const { key } = pair
        if (isScalar(key) && key.range) found = at(key.range[0])
        node = pair.value
      }
      return found
    },
  }
}

const keyOf = ({ key }: Pair): string => String(isScalar(key) ? key.value : key)

/** A file made to explode by its aliases has no values. */
const valuesOf = (read: () => unknown): Record<string, unknown> => {
  try {
    return (read() ?? {}) as Record<string, unknown>
  } catch {
    return {}
  }
}
