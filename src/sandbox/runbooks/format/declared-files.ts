import { globMatcher } from '../../../lib/files/glob.ts'
import { inside } from '../../../model/runbooks/sandbox.ts'
import { fillVariables, type Variables } from '../variables.ts'
import type { ManifestRow, Runbook } from './runbook.ts'

/** The agent's own report: its content counts, not just its existence. */
export const reportName = 'validation_report.json'

/** A file that a runbook promises to make. */
export interface DeclaredFile {
  /** Globs relative to the results folder; `a/` is a non-empty folder. */
  paths: string[]
  /** As written in the runbook. */
  written: string
  by: 'primary_outputs' | 'manifest'
}

export interface DeclaredFiles {
  primary: DeclaredFile[]
  manifest: DeclaredFile[]
  /** Rows that name no file to look for. */
  unclear: string[]
}

/** Each is searched among all results; published runbooks declare about ten. */
export const mostDeclared = 200

/** Declared files before variables are filled. */
export const declaredBy = (runbook: Pick<Runbook, 'primaryOutputs' | 'manifest'>): DeclaredFiles =>
  declaredFiles(runbook, (name) => (name === 'results_dir' ? inside.results : undefined), inside.results)

const resultsFolder = /^(\{\{\s*results_dir\s*\}\}|\/app\/results|\.\/results|\/?results|\$\{?RESULTS_DIR\}?)(\/|$)/i

/** Normalizes a path to one relative to the results folder. */
const inResults = (path: string): string =>
  path
    .trim()
    .replace(resultsFolder, '')
    .replace(/^(\.\/)+/, '')

/** Whether a path leaves the results folder, so that it could never be collected. */
export const isOutside = (path: string): boolean => {
  const relative = inResults(path)
  return /^([/~\\]|[A-Za-z]:[/\\])/.test(relative) || relative.split(/[/\\]/).includes('..')
}

const variable = /\{\{\s*([^{}\s]*)\s*\}\}/g
/** Placeholders for unknown parts of a name: `<name>`, `{name}`, `{a,b}`, `[name]`. */
const holders = /<[^<>]*>|(?<![{$])\{[^{}]*\}(?!\})|\[[^[\]]*\]/g
/** A remark at the end of a cell, such as `(main)`. */
const remarks = /\s+\([^()]*\)$/

const optionalMark = /\boptional\b|\bif (any|applicable|needed|available|present)\b/i

/** Separators of several files in a cell: `a.md or b.md`, `a.md, b.json and c/`. */
const between = /\s*(?:[,;]|<br\s*\/?>)\s*(?:and\s+)?|\s+(?:and|&|\+)\s+/i
const either = /\s+(?:or|\/)\s+/i

const trimmed = (text: string): string =>
  text
    .trim()
    .replace(remarks, '')
    .replace(/^["'(]+|["'),.;:]+$/g, '')

const isPath = (text: string, isFile: boolean): boolean =>
  text !== '' && !/\s/.test(text) && /[\p{L}\p{N}*]/u.test(text) && (isFile || /[./*]/.test(text))

/** Files of a cell, each a list of alternative paths; undefined when it names none. */
const filesOf = ({ name, isFile }: Pick<ManifestRow, 'name' | 'isFile'>): string[][] | undefined => {
  const cell = name
    .replace(variable, '{{$1}}')
    .replace(/<br\s*\/?>/gi, ', ')
    .replace(holders, '*')
  const parts = cell.split(between).filter((part) => part.trim() !== '')
  const files = parts.map((part) => part.split(either).map(trimmed))
  return files.length > 0 && files.every((paths) => paths.every((path) => isPath(path, isFile))) ? files : undefined
}

/**
 * Declared files of the front matter and the output table, with variables filled. `resultsDir` is the results folder as
 * the agent sees it.
 */
export const declaredFiles = (
  { primaryOutputs, manifest }: Pick<Runbook, 'primaryOutputs' | 'manifest'>,
  variables: Variables,
  resultsDir: string,
): DeclaredFiles => {
  /** A filled-in value may have any characters; an unfilled variable is a wildcard. */
  const pathsOf = (path: string): string[] => {
    const filled = fillVariables(path.replace(holders, '*'), variables).replace(variable, '*')
    const below = inResults(filled.replaceAll(`${resultsDir}/`, `${inside.results}/`))
    return /^results\//i.test(filled) ? [below, filled] : [below]
  }
  const unclear: string[] = []
  const listed = manifest
    .filter(({ name }) => name !== '' && !optionalMark.test(name))
    .flatMap((row): DeclaredFile[] => {
      const files = filesOf(row)
      if (!files) unclear.push(row.name)
      return (files ?? []).map((paths) => ({ paths: paths.flatMap(pathsOf), written: row.name, by: 'manifest' }))
    })
  const primary = primaryOutputs.map(
    ({ path }): DeclaredFile => ({ paths: pathsOf(path), written: path, by: 'primary_outputs' }),
  )
  return { primary, manifest: listed, unclear }
}

/** Files in which an agent describes its work, beside its actual outputs. */
const accounts = ['summary.md', reportName]

/** Files to show first: `primary_outputs`, else the first file of the table that is no description of the work. */
export const shownFirst = ({ primary, manifest }: Pick<DeclaredFiles, 'primary' | 'manifest'>): DeclaredFile[] =>
  primary.length > 0
    ? primary
    : manifest.filter(({ paths }) => !paths.some((path) => accounts.includes(path))).slice(0, 1)

/** Result files that match a declaration: the file itself, its glob, or the content of its folder. */
export const matchesOf = <File extends { path: string }>({ paths }: DeclaredFile, files: readonly File[]): File[] => {
  for (const path of paths) {
    const found = matches(path, files)
    if (found.length > 0) return found
  }
  return []
}

const matches = <File extends { path: string }>(path: string, files: readonly File[]): File[] => {
  const bare = path.replace(/\/+$/, '')
  if (bare === '') return [...files] // the results folder itself
  const [isSame, isBelow] = /[*?]/.test(bare)
    ? [globMatcher(bare), globMatcher(`${bare}/**`)]
    : [(other: string) => other === bare, (other: string) => other.startsWith(`${bare}/`)]
  const same = path === bare ? files.filter((file) => isSame(file.path)) : []
  return same.length > 0 ? same : files.filter((file) => isBelow(file.path))
}

/** Whether a declaration is covered by another: equal, matched by its glob, or in its folder. */
export const isPartOf = ({ paths }: DeclaredFile, whole: readonly DeclaredFile[]): boolean => {
  const files = paths.map((path) => ({ path: path.replace(/\/+$/, '') }))
  return whole.some((other) => other.paths.some((path) => paths.includes(path)) || matchesOf(other, files).length > 0)
}
