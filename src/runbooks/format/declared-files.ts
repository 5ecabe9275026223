import { globMatcher } from '../../lib/files/glob.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { fillVariables, type Variables } from '../variables.ts'
import type { ManifestRow, Runbook } from './runbook.ts'

/** The agent's own account of its work: it is looked at by what it says, not just for being there. */
export const reportName = 'validation_report.json'

/** A file that a runbook says it will make. */
export interface DeclaredFile {
  /** Relative to the results folder, as a glob; `a/` is a folder with something in it. */
  paths: string[]
  /** As the runbook has it. */
  written: string
  by: 'primary_outputs' | 'manifest'
}

export interface DeclaredFiles {
  primary: DeclaredFile[]
  manifest: DeclaredFile[]
  /** Rows that name no file that could be looked for. */
  unclear: string[]
}

/** Each is looked for among all results: published runbooks declare ten. */
export const mostDeclared = 200

/** What a runbook declares, before its variables are known. */
export const declaredBy = (runbook: Pick<Runbook, 'primaryOutputs' | 'manifest'>): DeclaredFiles =>
  declaredFiles(runbook, (name) => (name === 'results_dir' ? inside.results : undefined), inside.results)

const resultsFolder = /^(\{\{\s*results_dir\s*\}\}|\/app\/results|\.\/results|\/?results|\$\{?RESULTS_DIR\}?)(\/|$)/i

/** A path relative to the results folder, whichever way people write that. */
const inResults = (path: string): string =>
  path
    .trim()
    .replace(resultsFolder, '')
    .replace(/^(\.\/)+/, '')

/** Leads out of the results folder, so that it could never be collected. */
export const isOutside = (path: string): boolean => {
  const relative = inResults(path)
  return /^([/~\\]|[A-Za-z]:[/\\])/.test(relative) || relative.split(/[/\\]/).includes('..')
}

const variable = /\{\{\s*([^{}\s]*)\s*\}\}/g
/** What stands for a part that is not known beforehand: `<name>`, `{name}`, `{a,b}`, `[name]`. */
const holders = /<[^<>]*>|(?<![{$])\{[^{}]*\}(?!\})|\[[^[\]]*\]/g
/** What of a cell is said about a file: `(main)`, and what leads to its name. */
const remarks = /\s+\([^()]*\)$/

const optionalMark = /\boptional\b|\bif (any|applicable|needed|available|present)\b/i

/** Alternatives and lists as cells have them: `a.md or b.md`, `a.md, b.json and c/`. */
const between = /\s*(?:[,;]|<br\s*\/?>)\s*(?:and\s+)?|\s+(?:and|&|\+)\s+/i
const either = /\s+(?:or|\/)\s+/i

const trimmed = (text: string): string =>
  text
    .trim()
    .replace(remarks, '')
    .replace(/^["'(]+|["'),.;:]+$/g, '')

const isPath = (text: string, isFile: boolean): boolean =>
  text !== '' && !/\s/.test(text) && /[\p{L}\p{N}*]/u.test(text) && (isFile || /[./*]/.test(text))

/** The files of a cell, each a list of paths of which one has to be there; undefined where it names none. */
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
 * What the front matter and the table of output files declare, variables filled. `resultsDir` is where the results stand
 * for the agent.
 */
export const declaredFiles = (
  { primaryOutputs, manifest }: Pick<Runbook, 'primaryOutputs' | 'manifest'>,
  variables: Variables,
  resultsDir: string,
): DeclaredFiles => {
  /** What a variable is filled with may have any character; one that nothing fills stands for a part that is not known. */
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

/** What an agent says of its work, beside what it was to make. */
const accounts = ['summary.md', reportName]

/** What people want to see first: `primary_outputs`, else the first file of the table that is no account of the work. */
export const shownFirst = ({ primary, manifest }: Pick<DeclaredFiles, 'primary' | 'manifest'>): DeclaredFile[] =>
  primary.length > 0
    ? primary
    : manifest.filter(({ paths }) => !paths.some((path) => accounts.includes(path))).slice(0, 1)

/** The files that a declared one stands for: itself, what its glob fits, or what is in its folder. */
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

/** Whether one declaration is part of another: the same, a file that its glob fits, or one in its folder. */
export const isPartOf = ({ paths }: DeclaredFile, whole: readonly DeclaredFile[]): boolean => {
  const files = paths.map((path) => ({ path: path.replace(/\/+$/, '') }))
  return whole.some((other) => other.paths.some((path) => paths.includes(path)) || matchesOf(other, files).length > 0)
}
