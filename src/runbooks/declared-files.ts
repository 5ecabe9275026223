import { globMatcher } from '../lib/glob.ts'
import { inside } from '../model/sandbox.ts'
import type { Runbook } from './runbook.ts'
import { fillVariables, type Variables } from './variables.ts'

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

const resultsPrefix = /^(\{\{\s*results_dir\s*\}\}|\/app\/results|\.?\/?results|\$\{?RESULTS_DIR\}?)(\/|$)/i

/** A path relative to the results folder, whichever way people write that. */
export const inResults = (path: string): string =>
  path
    .trim()
    .replace(resultsPrefix, '')
    .replace(/^(\.\/)+/, '')

/** Leads out of the results folder, so that it could never be collected. */
export const isOutside = (path: string): boolean => {
  const relative = inResults(path)
  return /^([/~\\]|[A-Za-z]:[/\\])/.test(relative) || relative.split(/[/\\]/).includes('..')
}

/** What stands for a part that is not known beforehand: `<name>`, `{name}`, `[name]`, `{{name}}` that nothing fills. */
const holders = /\{\{[^{}]*\}\}|<[^<>]*>|\{[^{}]*\}|\[[^[\]]*\]/g

const isPath = (text: string): boolean =>
  text !== '' && !/\s/.test(text) && /[A-Za-z0-9*]/.test(text) && (/[./*]/.test(text) || /^[\w-]+$/.test(text))

/** Alternatives and lists as cells have them: `a.md or b.md`, `a.md, b.json and c/`. */
const optionalMark = /\boptional\b|\bif (any|applicable|needed|available|present)\b/i

const pathOf = (text: string): string => inResults(text.replace(/^["'(]+|["'),.;:]+$/g, '')).replace(holders, '*')

/** The files of a cell, each a list of paths of which one has to be there. */
const filesOf = (cell: string): string[][] | undefined => {
  const files = cell
    .split(/\s*(?:,|;|\band\b|\s&\s|\s\+\s|<br\s*\/?>)\s*/i)
    .filter((part) => part.trim() !== '')
    .map((part) => part.split(/\s+or\s+|\s+\/\s+/i).map(pathOf))
  return files.length > 0 && files.every((paths) => paths.every(isPath)) ? files : undefined
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
  const filled = (text: string) => fillVariables(text, variables).replaceAll(`${resultsDir}/`, `${inside.results}/`)
  const unclear: string[] = []
  const listed = manifest
    .filter(({ name }) => name !== '' && !optionalMark.test(name))
    .flatMap(({ name }) => {
      const files = filesOf(filled(name))
      if (!files) unclear.push(name)
      return (files ?? []).map((paths): DeclaredFile => ({ paths, written: name, by: 'manifest' }))
    })
  const primary = primaryOutputs.map(
    ({ path }): DeclaredFile => ({
      paths: [inResults(filled(path)).replace(holders, '*')],
      written: path,
      by: 'primary_outputs',
    }),
  )
  return { primary, manifest: listed, unclear }
}

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
  const fits = globMatcher(bare)
  const isBelow = globMatcher(`${bare}/**`)
  const same = path === bare ? files.filter((file) => fits(file.path)) : []
  return same.length > 0 ? same : files.filter((file) => isBelow(file.path))
}
