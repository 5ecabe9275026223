import { issueText } from '../lib/issue-text.ts'
import { type RunbookFrontMatter, runbookFrontMatterSchema } from '../model/runbook.ts'
import { type FrontMatter, type Position, splitRunbook } from './front-matter.ts'
import { readSections, type Section, type SectionTable } from './sections.ts'

/** A row of one of a runbook's tables. */
export interface ListedItem extends Position {
  name: string
  description: string
}

export interface Parameter extends ListedItem {
  /** The name in `{{name}}`, where its row has one or its words make one. */
  variable: string | undefined
  /** What its row gives as default or value; empty without one. */
  preset: string
}

export interface DeclaredSecret extends Position {
  /** The logical name; the variable's where secrets are a list. */
  name: string
  env: string
  required: boolean
}

export interface FieldProblem extends Position {
  field: string
  message: string
}

/** A runbook as people write them: everything in it is found by structure, and nothing has to be there. */
export interface Runbook {
  frontMatter: FrontMatter | undefined
  /** What of the front matter is read; a field that is not as it should be is left out, and listed in `problems`. */
  fields: RunbookFrontMatter
  problems: FieldProblem[]
  secrets: DeclaredSecret[]
  /** Files that are shown first, relative to the results folder. */
  primaryOutputs: (Position & { path: string })[]
  sections: Section[]
  /** Files that must be there at the end, as its table names them; empty without such a table. */
  manifest: ListedItem[]
  parameters: Parameter[]
  /** `{{name}}` wherever the text uses it: not in the table of parameters; `{{secrets.NAME}}` is none. */
  variables: (Position & { name: string })[]
  /** `{TODO: …}` that its author has left. */
  todos: Position[]
  /** How often it may try again, where it says so. */
  iterationBound: number | undefined
  /** The text after the front matter. */
  body: string
}

const variablePattern = /(?<!\$)\{\{\s*([a-z_][a-z0-9_]*)\s*\}\}/g
const todoPattern = /(?<!\{)\{TODO:/g
const boundPattern =
  /\b(?:max(?:imum)?(?:\s+of)?|up\s+to|at\s+most|no\s+more\s+than)[\s:]*\**(\d{1,4})\**[\s-]*(?:rounds?|iterations?|attempts?|tries|times|passes|cycles|retries)\b/i

/** Reads a runbook. Never throws: what is wrong is among the problems. */
export const readRunbook = (text: string): Runbook => {
  const { frontMatter, body } = splitRunbook(text)
  const { fields, problems } = readFields(frontMatter)
  const sections = readSections(body)
  const at = positionsIn(body)
  const found = (pattern: RegExp) => [...body.matchAll(pattern)]
  const parameters = rowsOf(sections, isParameters, variableColumn, false)
  const declaring = new Set(parameters.map(({ line }) => line))
  return {
    frontMatter,
    fields,
    problems,
    secrets: secretsOf(fields, frontMatter),
    primaryOutputs: primaryOutputsOf(fields, frontMatter),
    sections,
    manifest: rowsOf(sections, isManifest, fileColumn, true).map(({ preset: _, ...item }) => item),
    parameters: parameters.map((row) => ({ ...row, variable: variableOf(row.name) })),
    variables: found(variablePattern)
      .map((match) => ({ ...at(match.index), name: match[1] ?? '' }))
      .filter(({ line }) => !declaring.has(line)),
    todos: found(todoPattern).map((match) => at(match.index)),
    iterationBound: boundOf(body),
    body,
  }
}

const boundOf = (body: string): number | undefined => {
  const bound = boundPattern.exec(body)?.[1]
  return bound === undefined ? undefined : Number(bound)
}

/** Places of offsets in a text; asked in any order. */
const positionsIn = (text: string): ((offset: number) => Position) => {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 }
  }
}

const readFields = (frontMatter: FrontMatter | undefined): Pick<Runbook, 'fields' | 'problems'> => {
  const values = { ...frontMatter?.values }
  const problems: FieldProblem[] = []
  const parsed = runbookFrontMatterSchema.safeParse(values)
  if (parsed.success) return { fields: parsed.data, problems }
  for (const issue of parsed.error.issues) {
    const path = issue.path.map(String)
    const [field = ''] = path
    const position = frontMatter?.positionOf(...path) ?? { line: 1, column: 1 }
    problems.push({ ...position, field: path.join('.'), message: issueText(issue) })
    delete values[field]
  }
  return { fields: runbookFrontMatterSchema.parse(values), problems }
}

const secretsOf = ({ secrets }: RunbookFrontMatter, frontMatter: FrontMatter | undefined): DeclaredSecret[] => {
  const at = (...path: string[]): Position => frontMatter?.positionOf('secrets', ...path) ?? { line: 1, column: 1 }
  if (Array.isArray(secrets)) return secrets.map(({ env, required }) => ({ ...at(), name: env, env, required }))
  return Object.entries(secrets ?? {}).map(([name, { env, required }]) => ({ ...at(name, 'env'), name, env, required }))
}

const primaryOutputsOf = (
  { primary_outputs: outputs }: RunbookFrontMatter,
  frontMatter: FrontMatter | undefined,
): Runbook['primaryOutputs'] => {
  const position = frontMatter?.positionOf('primary_outputs') ?? { line: 1, column: 1 }
  return [outputs ?? []].flat().map((path) => ({ ...position, path }))
}

/** The heading of a section without what people number it with. */
export const topicOf = ({ title }: Section): string =>
  title
    .replace(/^step\s+\d+\s*[:.–—-]\s*/i, '')
    .replace(/^\d+[.)]\s*/, '')
    .toLowerCase()

const variableOf = (name: string): string | undefined => {
  const braced = /\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/.exec(name)?.[1]
  const words = name
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '')
  return braced ?? (/^[a-z_]/.test(words) ? words : undefined)
}

const isManifest = (section: Section): boolean =>
  /^(required\s+)?(output|deliverable)(s|\s+files?)?\b/.test(topicOf(section))
const isParameters = (section: Section): boolean => /^(parameters?|inputs?|variables?)\b/.test(topicOf(section))

/** The column that has the names, by what it is called; else the first one. */
const columnOf = ({ header }: SectionTable, pattern: RegExp): number =>
  Math.max(
    0,
    header.findIndex((name) => pattern.test(name)),
  )

const fileColumn = (table: SectionTable): number => columnOf(table, /\b(file|path|output|deliverable)s?\b/)
const variableColumn = (table: SectionTable): number => columnOf(table, /\bvariable\b/)

const rowsOf = (
  sections: Section[],
  isWanted: (section: Section) => boolean,
  nameColumn: (table: SectionTable) => number,
  firstTableOnly: boolean,
): Omit<Parameter, 'variable'>[] => {
  const tables = sections.filter(isWanted).flatMap((section) => section.tables)
  return (firstTableOnly ? tables.slice(0, 1) : tables).flatMap((table) => {
    const names = nameColumn(table)
    const descriptions = table.header.findIndex((name) => name.includes('description'))
    const presets = table.header.findIndex((name) => /\b(default|value)s?\b/.test(name))
    return table.rows.map(({ line, column, cells }) => ({
      line,
      column,
      name: cells[names] ?? '',
      description: cells[descriptions] ?? '',
      preset: cells[presets] ?? '',
    }))
  })
}
