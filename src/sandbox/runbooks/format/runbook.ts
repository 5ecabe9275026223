import type { z } from 'zod'
import { issueText } from '../../../lib/text/issue-text.ts'
import {
  mostListedParameters,
  type RunbookFrontMatter,
  type RunbookParameter,
  runbookFrontMatterSchema,
  secretVariablePattern,
  usualRunbookLimits,
} from '../../../model/runbooks/runbook.ts'
import { type FrontMatter, splitRunbook } from './front-matter.ts'
import { type Position, positionsIn } from './positions.ts'
import { readSections, type Section, type SectionTable } from './sections.ts'

/**
 * Treatment of an omitted parameter by the parameter table. `value`: its default applies. `empty`: it may be omitted
 * and becomes an empty text. `required`: it must be given. `open`: the table does not say.
 */
type PresetKind = 'value' | 'empty' | 'required' | 'open'

/** Cells of a parameter's row, as text without markup. */
interface PresetCells {
  name: string
  description: string
  /** From the column Default or Value. */
  preset: string
  /** The same cell with markup: empty backticks are an empty text, an empty cell says nothing. */
  written: string
  /** From a column Required. */
  required: string
}

/** A keyword must end the cell, or be followed by a mark and a remark: "none (all of them)", "required: a URL". */
const thenRemark = '(?=[\\W_]*$|\\s*[(:;,.–—]|\\s+-)'
const saysRequired = new RegExp(
  `^[\\W_]*((required|mandatory|tbd|no default|must be (given|set|provided)|(user|caller)[- ](provided|supplied))${thenRemark}|(provided|given|supplied) by\\b)`,
  'i',
)
const saysEmpty = new RegExp(
  `^[\\W_]*(optional\\b|(none|null|nil|n/a|undefined|unset|not set|unspecified|empty|empty string|blank|omitted|left out)${thenRemark})`,
  'i',
)
/** Words that revoke "none", as in "None (must be given)". */
const takesBack = /\b(required|mandatory|must|has to)\b/i
const dashes = /^[-–—−]+(\s*\([^()]*\))?$/
const emptyQuotes = /^(""|''|“”|‘’|«»)$/
const emptyCode = /^(`{2,}|`\s+`)$/
const holder = /^([_.?*]+|<[^<>]*>)$/

const yes = /^\W*(yes|y|true|required|mandatory|always|x)\b|^[✓✔✅]/i
const no = /^\W*(no|n|false|optional|never)\b|^[✗✘❌–—-]/i

/** A remark in brackets, or a sentence of its own at the beginning; "required if …" is none. */
const remark = (word: string): RegExp =>
  new RegExp(`[([]\\s*${word}\\s*[)\\],;:.–—-]|^\\W*${word}\\s*([.:;,–—-]|$)`, 'i')
const remarksRequired = remark('(required|mandatory)')
const remarksOptional = remark('optional')

/** Reads whether the other cells of the row say required or optional. */
const markOf = ({ name, description, required }: PresetCells): 'required' | 'optional' | undefined => {
  if (yes.test(required) || remarksRequired.test(name) || remarksRequired.test(description)) return 'required'
  return no.test(required) || remarksOptional.test(name) || remarksOptional.test(description) ? 'optional' : undefined
}

const ofPreset = ({ preset, written }: PresetCells): PresetKind => {
  const text = preset.trim()
  if (text === '') return emptyCode.test(written.trim()) ? 'empty' : 'open'
  if (saysRequired.test(text)) return 'required'
  if (saysEmpty.test(text)) return takesBack.test(text) ? 'required' : 'empty'
  if (dashes.test(text) || emptyQuotes.test(text)) return 'empty'
  return holder.test(text) ? 'open' : 'value'
}

/**
 * Classifies a row. Its default counts first; when that is no value, a single word `required` anywhere in the row
 * outweighs the rest.
 */
const presetKindOf = (cells: PresetCells): PresetKind => {
  const kind = ofPreset(cells)
  if (kind === 'value' || kind === 'required') return kind
  const mark = markOf(cells)
  if (mark === 'required') return 'required'
  return mark === 'optional' ? 'empty' : kind
}

/** "Yes unless `url` is provided", "required if neither url nor text is given". */
const unlessGiven =
  /\b(?:unless|if not|(?:if|when) (?:no|neither))\s+([^.;()]{1,200}?)\s+(?:is|are|was|were|has been|have been)\s+(?:also\s+)?(?:provided|given|set|specified|supplied|present|passed)\b/i
const between = /\s*,\s*(?:or|and|nor)?\s*|\s+(?:or|and|nor)\s+/i

/** Names of the parameters that a row may be omitted for, as they are written in it. */
const alternativesIn = ({ required, preset, description }: PresetCells): string[] => {
  const found = [required, preset, description]
    .map((cell) => unlessGiven.exec(cell)?.[1])
    .find((one) => one !== undefined)
  return found === undefined ? [] : found.split(between).map((name) => name.replace(/^(a|an|the)\s+/i, ''))
}

/** Number of attempts that a runbook allows its agent, and the place in the text that states it. */
interface IterationBound extends Position {
  rounds: number
}

const words = [
  'zero',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
  'eleven',
  'twelve',
]
const number = `\\**(\\d{1,4}|${words.join('|')})\\**`
const unit = '(?:rounds?|iterations?|attempts?|tries|times|passes|cycles|retries|repeats?)'
const most =
  '(?:max(?:imum)?(?:\\s{1,9}of)?|up\\s{1,9}to|at\\s{1,9}most|no\\s{1,9}more\\s{1,9}than|limit(?:ed)?\\s{1,9}to)'

/** `max 3 rounds`; `max rounds: 3`; `3 rounds at most`. */
const forms = [
  new RegExp(`\\b${most}[\\s:]{0,9}${number}[\\s-]{0,9}(?:\\w{1,20}[\\s-]{1,9})?${unit}\\b`, 'i'),
  new RegExp(`\\bmax(?:imum)?[\\s_-]{1,9}(?:\\w{1,20}[\\s_-]{1,9})?${unit}\\**[\\s:=|]{1,9}${number}\\b`, 'i'),
  new RegExp(`\\b${number}[\\s-]{1,9}${unit}[\\s(]{1,9}(?:max(?:imum)?|at\\s{1,9}most|in\\s{1,9}total)\\b`, 'i'),
]

const roundsOf = (text: string): number => {
  const word = words.indexOf(text.toLowerCase())
  return word >= 0 ? word : Number(text)
}

/** Finds the first place where a text bounds its rounds. */
const iterationBoundOf = (text: string, at: (offset: number) => Position): IterationBound | undefined => {
  const found = forms.flatMap((form) => {
    const match = form.exec(text)
    return match ? [{ offset: match.index, rounds: roundsOf(match[1] ?? '') }] : []
  })
  const earliest = found.toSorted((left, right) => left.offset - right.offset)[0]
  return earliest && { ...at(earliest.offset), rounds: earliest.rounds }
}

/** A row of a runbook's table. */
interface ListedItem extends Position {
  name: string
  description: string
}

export interface ManifestRow extends ListedItem {
  /** The column holds file names: then `Makefile` is one; elsewhere `Summary` is none. */
  isFile: boolean
}

export interface Parameter extends ListedItem {
  /** Variable name from `{{name}}` in the row, or made from its words. */
  variable: string | undefined
  /** Default or value from the row; empty without one. */
  preset: string
  /** Treatment when it is omitted, from its row in the table. */
  says: PresetKind
  /** Variables of other parameters: when one of them is given, this one may be omitted. */
  alternatives: string[]
  /** The row contains `{{name}}`, so that the value appears there. */
  isPlaced: boolean
}

export interface DeclaredSecret extends Position {
  /** Logical name; the variable's name when secrets are a list. */
  name: string
  env: string
  required: boolean
}

interface FieldProblem extends Position {
  field: string
  message: string
}

/** A parsed runbook. Parts are found by structure, and each may be missing. */
export interface Runbook {
  frontMatter: FrontMatter | undefined
  /** Valid front matter fields; invalid ones are left out and listed in `problems`. */
  fields: RunbookFrontMatter
  problems: FieldProblem[]
  secrets: DeclaredSecret[]
  /** Files to show first, relative to the results folder. */
  primaryOutputs: (Position & { path: string })[]
  sections: Section[]
  /** Files that must exist at the end, from the output table; empty without one. */
  manifest: ManifestRow[]
  parameters: Parameter[]
  /**
   * Uses of `{{name}}`, in the front matter too, but not in the parameter table; `{{secrets.NAME}}` is none. Names with
   * capitals count only when the table has them.
   */
  variables: (Position & { name: string })[]
  /** Remaining `{TODO: …}` markers. */
  todos: Position[]
  /** Maximum number of attempts, if the runbook states it. */
  iterationBound: IterationBound | undefined
  /** Text after the front matter. */
  body: string
}

const mostVariables = 10_000
const variablePattern = /(?<!\$)\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/g
const todoPattern = /(?<!\{)\{TODO:/g

/** Parses a runbook. Never throws; reports faults as problems. */
export const readRunbook = (text: string, limits = usualRunbookLimits): Runbook => {
  const { frontMatter, body, whole } = splitRunbook(text, limits)
  const { fields, problems } = readFields(frontMatter)
  const sections = readSections(body)
  const at = positionsIn(whole)
  const found = (pattern: RegExp) => [...whole.matchAll(pattern)]
  const parameters = tablesOf(sections, isParameters).flatMap(parametersOf)
  const declared = new Set(parameters.map(({ variable }) => variable))
  const declaring = new Set(parameters.map(({ line }) => line))
  return {
    frontMatter,
    fields,
    problems,
    secrets: secretsOf(fields, frontMatter),
    primaryOutputs: primaryOutputsOf(fields, frontMatter),
    sections,
    manifest: tablesOf(sections, isManifest).slice(0, 1).flatMap(manifestOf),
    parameters,
    variables: found(variablePattern)
      .slice(0, mostVariables)
      .map((match) => ({ ...at(match.index), name: match[1] ?? '' }))
      .filter(({ line, name }) => !declaring.has(line) && (declared.has(name) || name === name.toLowerCase())),
    todos: found(todoPattern).map((match) => at(match.index)),
    iterationBound: iterationBoundOf(body, positionsIn(body)),
    body,
  }
}

const readFields = (frontMatter: FrontMatter | undefined): Pick<Runbook, 'fields' | 'problems'> => {
  const values = { ...frontMatter?.values }
  const problems: FieldProblem[] = []
  const parsed = runbookFrontMatterSchema.safeParse(values)
  if (parsed.success) return { fields: parsed.data, problems }
  for (const issue of parsed.error.issues) {
    const [field = ''] = issue.path.map(String)
    const { path, message } = faultOf(issue)
    const position = frontMatter?.positionOf(...path) ?? { line: 1, column: 1 }
    problems.push({ ...position, field: path.join('.'), message })
    delete values[field]
  }
  return { fields: runbookFrontMatterSchema.parse(values), problems }
}

/** For a union, reports the alternative whose validation got deepest: the value is closest to it. */
const faultOf = (issue: z.core.$ZodIssue): { path: string[]; message: string } => {
  const path = issue.path.map(String)
  const own = { path, message: issueText(issue) }
  if (issue.code !== 'invalid_union') return own
  const faults = issue.errors.flatMap(([first]) => (first ? [faultOf(first)] : []))
  const [closest] = faults.toSorted((left, right) => right.path.length - left.path.length)
  return closest && closest.path.length > 0 ? { ...closest, path: [...path, ...closest.path] } : own
}

/** Converts a secret's name to a variable name (`apify-token` to `APIFY_TOKEN`); unchanged when that is impossible. */
const variableNamed = (secret: string): string => {
  const name = secret.toUpperCase().replace(/[^A-Z0-9]+/g, '_')
  return secretVariablePattern.test(name) ? name : secret
}

const secretsOf = ({ secrets }: RunbookFrontMatter, frontMatter: FrontMatter | undefined): DeclaredSecret[] => {
  const at = (...path: string[]): Position => frontMatter?.positionOf('secrets', ...path) ?? { line: 1, column: 1 }
  if (Array.isArray(secrets)) {
    return secrets.map((secret, index) => {
      const { env, required } = typeof secret === 'string' ? { env: secret, required: true } : secret
      return { ...at(String(index), 'env'), name: env, env, required }
    })
  }
  return Object.entries(secrets ?? {}).map(([name, secret]) => ({
    ...at(name, 'env'),
    name,
    env: secret?.env ?? variableNamed(name),
    required: secret?.required ?? true,
  }))
}

const primaryOutputsOf = (
  { primary_outputs: outputs }: RunbookFrontMatter,
  frontMatter: FrontMatter | undefined,
): Runbook['primaryOutputs'] =>
  [outputs ?? []].flat().map((path, index) => ({
    ...(frontMatter?.positionOf('primary_outputs', String(index)) ?? { line: 1, column: 1 }),
    path,
  }))

/** Heading text without numbering and decoration. */
export const topicOf = ({ title }: Section): string =>
  title
    .toLowerCase()
    .replace(/^[^\p{L}\p{N}]+/u, '')
    .replace(/^(step|phase|stage|part)\s+\d+(\.\d+)*[a-z]?\s*[:.)–—-]*\s*/, '')
    .replace(/^\d+(\.\d+)*[.)]?\s+/, '')
    .replace(/^[^\p{L}\p{N}]+/u, '')

const isManifest = (section: Section): boolean =>
  /^((required|mandatory|expected|final)\s+)?(output|deliverable|artifact|result)(s?\s+files?\b|s?(\s*[(:–—-].*)?$)/.test(
    topicOf(section),
  )
export const isParameters = (section: Section): boolean =>
  /^((template|input|runbook|required|optional)\s+)?((parameter|variable)s?\b|inputs?((\s+(and|&)\b|\s*[(:–—-]).*)?$)/.test(
    topicOf(section),
  )

/** Tables of the wanted sections and their subsections. */
const tablesOf = (sections: Section[], isWanted: (section: Section) => boolean): SectionTable[] => {
  let depth = Number.POSITIVE_INFINITY
  return sections.flatMap((section) => {
    if (section.depth <= depth) depth = isWanted(section) ? section.depth : Number.POSITIVE_INFINITY
    return section.depth >= depth ? section.tables : []
  })
}

/** First column that matches the first matching name; undefined when none does. */
const columnOf = (header: readonly string[], ...names: RegExp[]): number | undefined =>
  names.map((pattern) => header.findIndex((name) => pattern.test(name))).find((at) => at >= 0)

const cellOf = (cells: readonly string[], column: number | undefined): string =>
  column === undefined ? '' : (cells[column] ?? '')

const fileNames = /\b(file|filename|path)s?\b/
const outputNames = /^((required\s+)?(output|deliverable|artifact|result|document|item)s?|name)$/

/** Reads the output table; a table without such a column describes something else, such as the fields of an output. */
const manifestOf = ({ header, rows }: SectionTable): ManifestRow[] => {
  const names = columnOf(header, fileNames, outputNames)
  if (names === undefined) return []
  const descriptions = columnOf(header, /description/)
  return rows.map(({ line, column, cells }) => ({
    line,
    column,
    name: cellOf(cells, names),
    description: cellOf(cells, descriptions),
    isFile: fileNames.test(header[names] ?? ''),
  }))
}

const parametersOf = ({ header, rows }: SectionTable): Parameter[] => {
  const names = columnOf(header, /\bvariable\b/, /\b(parameter|name|input|option|setting)s?\b/) ?? 0
  const descriptions = columnOf(header, /description/, /\b(meaning|purpose|notes?)\b/)
  const presets = columnOf(header, /\bdefaults?\b/, /\bvalues?\b/)
  const required = columnOf(header, /^(required|mandatory)\b/)
  return rows.map(({ line, column, cells, written }) => {
    const name = cellOf(cells, names)
    const preset = cellOf(cells, presets)
    const description = cellOf(cells, descriptions)
    const variable = bracedIn(name) ?? placeholderAlone.exec(preset)?.[1] ?? wordsOf(name)
    const said = { name, description, preset, written: cellOf(written, presets), required: cellOf(cells, required) }
    return {
      line,
      column,
      name,
      description,
      preset,
      says: presetKindOf(said),
      alternatives: alternativesIn(said).flatMap((other) => bracedIn(other) ?? wordsOf(other) ?? []),
      isPlaced: cells.some((cell) => variable !== undefined && bracedIn(cell) === variable),
      variable,
    }
  })
}

/** A default that is only `{{name}}` names the variable; `{{results_dir}}/x` is a default. */
const placeholderAlone = /^\s*\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}\s*$/
const bracedIn = (text: string): string | undefined => /\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/.exec(text)?.[1]

/** Makes a variable name from words: `Target URL` becomes `target_url`. */
export const wordsOf = (name: string): string | undefined => {
  const words = name
    .replace(/[([]\s*(required|optional|mandatory)\s*[)\]]/gi, '')
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '')
  return /^[a-z_]/.test(words) ? words : undefined
}

/** The server fills it; a value that is given is ignored. */
const ownName = 'results_dir'

const defaultOf = ({ says, preset }: Parameter): string | null => {
  if (says === 'empty') return ''
  return says === 'value' ? preset.trim() : null
}

/** Lists what a run fills in: the rows of the parameter table, then variables of the text that have no row. */
export const listParameters = ({ parameters, variables }: Runbook): RunbookParameter[] => {
  const declared = new Set(parameters.map(({ variable }) => variable))
  const used = new Set(variables.map(({ name }) => name))
  const listed = new Map<string, RunbookParameter>()
  for (const parameter of parameters) {
    const { variable: name, says, description } = parameter
    if (name === undefined || name === ownName || listed.has(name)) continue
    const mayBeReplaced = parameter.alternatives.some((other) => declared.has(other))
    const required = !mayBeReplaced && (says === 'required' || (says === 'open' && used.has(name)))
    listed.set(name, { name, description, default: defaultOf(parameter), required })
  }
  for (const name of used) {
    if (name === ownName || listed.has(name)) continue
    listed.set(name, { name, description: '', default: null, required: false })
  }
  return [...listed.values()].slice(0, mostListedParameters)
}
