import { join } from 'node:path'
import { contentTypeOf } from '../../../lib/files/media-type.ts'
import { isObject } from '../../../lib/json/json-object.ts'
import { isDeeperThan, maxJsonDepth } from '../../../lib/json/json-text.ts'
import { readWhole } from '../../../lib/memory/byte-blocks.ts'
import type { FileSource } from '../../../model/file-source.ts'
import type { ResultFile, RunbookHost, RunbookOutcome, ScrubbedFile } from '../../../model/runbooks/runbook-run.ts'
import { distinctPaths } from '../../isolation/files/distinct-paths.ts'
import { type WalkedFile, type WalkLimits, walkResults } from '../../isolation/files/walk-results.ts'
import type { Sandbox } from '../../isolation/sandbox.ts'
import type { EmitEvents } from '../emit-events.ts'
import { type DeclaredFiles, matchesOf, reportName, shownFirst } from '../format/declared-files.ts'
import { listed } from '../preflight/checks.ts'
import type { FoundFile, FoundReport } from './success.ts'

/** Content of the results folder after the agent's death. */
export interface Results {
  files: WalkedFile[]
  /** Skipped files, with reasons. */
  notKept: { path: string; message: string }[]
  warnings: string[]
  report: FoundReport
}

const mostReportBytes = 256 * 1024

const readReport = async (file: WalkedFile): Promise<FoundReport> => {
  if (file.size > mostReportBytes) return { problem: 'it is larger than 256 KiB' }
  try {
    const text = (await readWhole(file.open())).toString('utf8').replace(/^\uFEFF/, '')
    if (text.trim() === '') return { problem: 'it is empty' }
    if (isDeeperThan(text, maxJsonDepth)) return { problem: 'it is nested too deeply' }
    const value: unknown = JSON.parse(text)
    return isObject(value) ? { value } : { problem: 'it is not a JSON object' }
  } catch (error) {
    return { problem: error instanceof SyntaxError ? `it is not JSON (${error.message})` : 'its bytes cannot be read' }
  }
}

/** Declared paths, examined first so that junk does not crowd them out. */
const firstOf = ({ primary, manifest }: DeclaredFiles): string[] => [
  ...[...primary, ...manifest].flatMap(({ paths }) => paths.filter((path) => !/[*?]|\/$/.test(path))),
  reportName,
]

/** Examines the results. Call it when nothing in the sandbox is alive. */
export const lookAtResults = async (
  sandbox: Pick<Sandbox, 'folders'>,
  declared: DeclaredFiles,
  limits: WalkLimits,
  signal?: AbortSignal,
): Promise<Results> => {
  const results: Results = { files: [], notKept: [], warnings: [], report: undefined }
  const root = join(sandbox.folders.app, 'results')
  for await (const found of walkResults(root, { ...limits, first: firstOf(declared) }, signal)) {
    if (found.kind === 'file') results.files.push(found)
    else {
      results.warnings.push(found.message)
      if (found.kind === 'skipped') results.notKept.push({ path: found.path, message: found.message })
    }
  }
  const report = results.files.find(({ path }) => path === reportName)
  if (report) results.report = await readReport(report)
  else if (results.notKept.some(({ path }) => path === reportName)) {
    results.report = { problem: results.notKept.find(({ path }) => path === reportName)?.message ?? '' }
  }
  return results
}

type StoredResults = Pick<RunbookOutcome, 'results_files' | 'files' | 'primary_files' | 'agent_log'>

export interface KeptResults {
  kept: StoredResults
  /** Stored files, by their paths in the results folder. */
  found: readonly FoundFile[]
  /** Files that existed when the agent had ended but could no longer be read. */
  notKept: { path: string; message: string }[]
}

export const nothingKept: StoredResults = { results_files: [], files: [], primary_files: [], agent_log: null }

/** How long results of a cancelled run are still stored; its log comes after them. */
const keptAfterMs = 1_500

/** Makes a check for whether the time for storing results is over. */
const lateness = (signal: AbortSignal): (() => boolean) => {
  let sinceMs: number | undefined
  return () => {
    if (!signal.aborted) return false
    sinceMs ??= performance.now()
    return performance.now() - sinceMs > keptAfterMs
  }
}

/** An unreadable file does not stop the others; a failure to store does. */
const readOrNot = (
  file: WalkedFile,
  keptAs: string,
  isLate: () => boolean,
): { source: FileSource; problem(): string | undefined } => {
  let problem: string | undefined
  const source: FileSource = {
    name: keptAs.slice(keptAs.lastIndexOf('/') + 1),
    content_type: contentTypeOf(file.path),
    size: file.size,
    async *open() {
      try {
        for await (const chunk of file.open()) {
          if (isLate()) throw new Error('the run was cancelled')
          yield chunk
        }
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error)
        throw error
      }
    },
  }
  return { source, problem: () => problem }
}

/** Maximum scrubbed files that are named. */
const namedStruck = 50

/** Reports files that are not stored exactly as the agent made them. */
const makeStruck = (tell: EmitEvents) => {
  let files = 0
  const warn = (message: string) => tell({ type: 'warning', message })
  return {
    add(path: string, { struck }: ScrubbedFile) {
      const found = struck()
      if (!found || ++files > namedStruck) return
      const damage = found.isText ? '' : '; it is no text, and what reads it may find it damaged'
      warn(`${path} is kept without the value of ${listed(found.names)}${damage}`)
    },
    end() {
      if (files > namedStruck) warn(`Secrets are struck out of ${files - namedStruck} more files`)
    },
  }
}

/**
 * Stores the results in order, then the log. For a cancelled run it stores as many as time allows and reports the rest;
 * after the deadline it skips silently.
 */
export const keepResults = async (
  { results, declared }: { results: Results; declared: DeclaredFiles },
  log: FileSource | undefined,
  {
    host,
    tell,
    scrub,
  }: { host: Pick<RunbookHost, 'keep' | 'scrubFile' | 'signal'>; tell: EmitEvents; scrub(text: string): string },
): Promise<KeptResults> => {
  const kept: { path: string; size: number; file: ResultFile }[] = []
  const notKept: KeptResults['notKept'] = []
  const struck = makeStruck(tell)
  /** Stores one file; undefined when it could not be read or time is over. */
  const keep = async (source: FileSource, keptAs: string, problem: () => string | undefined, kind?: 'log') => {
    const scrubbed = host.scrubFile(source)
    try {
      const stored = await host.keep(scrubbed.file, keptAs, kind)
      if (kind !== 'log') struck.add(keptAs, scrubbed)
      return stored
    } catch (error) {
      if (!host.signal.aborted && problem() === undefined) throw error
      return undefined
    }
  }
  for (const message of results.warnings) tell({ type: 'warning', message })
  const isLate = lateness(host.signal)
  const distinct = distinctPaths()
  for (const [index, file] of results.files.entries()) {
    if (isLate()) {
      const left = results.files.length - index
      tell({ type: 'warning', message: `Files that were not stored because the run was cancelled: ${left}` })
      break
    }
    const keptAs = distinct(scrub(file.path)) // a name may contain a secret too
    const { source, problem } = readOrNot(file, keptAs, isLate)
    const stored = await keep(source, keptAs, problem)
    if (stored) kept.push({ path: file.path, size: file.size, file: stored })
    else if (problem() !== undefined) {
      const message = `${file.path} is not kept: ${problem()}`
      notKept.push({ path: file.path, message })
      tell({ type: 'warning', message })
    }
  }
  struck.end()
  const stored = log && (await keep(log, log.name, () => undefined, 'log'))
  const files = kept.map(({ file }) => file)
  const primary = shownFirst(declared).flatMap((output) => {
    const found = matchesOf(output, kept)
    if (found.length === 0 && output.by === 'primary_outputs') {
      tell({ type: 'warning', message: `primary_outputs has ${output.written}, and no such file was kept` })
    }
    return found.map(({ file }) => file.path)
  })
  return {
    kept: {
      results_files: files,
      files: stored ? [...files, stored] : files,
      primary_files: [...new Set(primary)],
      agent_log: stored?.path ?? null,
    },
    found: kept,
    notKept,
  }
}
