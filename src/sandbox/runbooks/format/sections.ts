import type { Position } from './positions.ts'

/** A table under a heading; column names in lower case. */
export interface SectionTable extends Position {
  header: string[]
  /** `written` has the cells with their markup. */
  rows: (Position & { cells: string[]; written: string[] })[]
}

interface CodeBlock extends Position {
  language: string
  text: string
}

/** A heading and the content up to the next heading of any depth. */
export interface Section extends Position {
  /** Number of `#`; 0 for content before the first heading. */
  depth: number
  title: string
  tables: SectionTable[]
  code: CodeBlock[]
  /** Number of list items that begin with a check box. */
  checkBoxes: number
}

const headingPattern = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/
// A fence in a list item is indented like the item's text.
const fencePattern = /^[ \t]*(`{3,}|~{3,})[ \t]*([^`\s]*)/
const tableRulePattern = /^[ \t|:-]+$/
const checkBoxPattern = /^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\[[ xX]\][ \t]/

/**
 * Reads the sections of a Markdown text: headings, tables and fenced code, line by line. A full CommonMark parser takes
 * minutes for a crafted line of nested lists; this is linear in the text.
 */
export const readSections = (text: string): Section[] => {
  const sections = [sectionAt(1, 0, '')]
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const section = sections.at(-1) as Section
    const line = lines[at] ?? ''
    const heading = headingPattern.exec(line)
    const fence = fencePattern.exec(line)
    if (heading) sections.push(sectionAt(at + 1, heading[1]?.length ?? 1, withoutMarks(heading[2] ?? '')))
    else if (fence) at = readCode(lines, at, fence, section)
    else if (isTableHead(lines, at)) at = readTable(lines, at, section)
    else if (checkBoxPattern.test(line)) section.checkBoxes++
  }
  return sections
}

const sectionAt = (line: number, depth: number, title: string): Section => ({
  line,
  column: 1,
  depth,
  title,
  tables: [],
  code: [],
  checkBoxes: 0,
})

/** Reads a code block and returns its last line: the closing fence, or the end of the text. */
const readCode = (
  lines: string[],
  from: number,
  [, mark = '', language = '']: RegExpExecArray,
  section: Section,
): number => {
  let end = from + 1
  while (end < lines.length && !closes(lines[end] ?? '', mark)) end++
  section.code.push({ line: from + 1, column: 1, language, text: lines.slice(from + 1, end).join('\n') })
  return end
}

const closes = (line: string, mark: string): boolean => {
  const text = line.trim()
  return text.length >= mark.length && text === (mark[0] ?? '').repeat(text.length)
}

/** Whether a row of cells is followed by a row of dashes with as many cells. */
const isTableHead = (lines: string[], at: number): boolean => {
  const [head = '', rule = ''] = [lines[at], lines[at + 1]]
  return (
    head.includes('|') &&
    rule.includes('-') &&
    tableRulePattern.test(rule) &&
    cellsOf(head).length === cellsOf(rule).length &&
    cellsOf(rule).every((cell) => /^:?-+:?$/.test(cell))
  )
}

const readTable = (lines: string[], from: number, section: Section): number => {
  const header = cellsOf(lines[from] ?? '').map((cell) => withoutMarks(cell).toLowerCase())
  const rows: SectionTable['rows'] = []
  let at = from + 2
  for (; at < lines.length && lines[at]?.includes('|'); at++) {
    const written = cellsOf(lines[at] ?? '')
    rows.push({ line: at + 1, column: 1, cells: written.map(withoutMarks), written })
  }
  section.tables.push({ line: from + 1, column: 1, header, rows })
  return at - 1
}

/** Splits a row into cells; an escaped `|` belongs to its cell. */
const cellsOf = (line: string): string[] => {
  const inner = line
    .trim()
    .replace(/^\|/, '')
    .replace(/(?<!\\)\|$/, '')
  return inner.split(/(?<!\\)\|/).map((cell) => cell.replaceAll('\\|', '|').trim())
}

/** Maximum characters read of a title or cell. */
const longestText = 500

const codeOrEmphasis = /`([^`]*)`|(?<=^|[\s(])(\*{1,3})([^*\s]|[^*\s][^*]*[^*\s])\2(?=$|[\s),;:!?])/g

/** Removes the markup of emphasis, code and links; a `*` within a name stays. */
const withoutMarks = (text: string): string =>
  text
    .slice(0, longestText)
    .replace(/[ \t]+#+[ \t]*$/, '')
    .replace(/\[([^\][]*)\]\([^()]*\)/g, '$1')
    .replace(codeOrEmphasis, (_, code: string | undefined, __, emphasised: string) => code ?? emphasised)
    .replace(/`/g, '')
    .trim()
