import { contentTypeOf } from '../../../lib/files/media-type.ts'
import type { FileSource } from '../../../model/file-source.ts'
import type { ResultFile, RunbookHost, RunbookOutcome, ScrubbedFile } from '../../../model/runbooks/runbook-run.ts'
import { distinctPaths } from '../../isolation/files/distinct-paths.ts'
import type { WalkedFile } from '../../isolation/files/walk-results.ts'
import type { EmitEvents } from '../emit-events.ts'
import type { DeclaredFiles } from '../format/declared-files.ts'
import { matchesOf, shownFirst } from '../format/declared-files.ts'
import { listed } from '../preflight/checks.ts'
import type { Results } from './look-at-results.ts'
import type { FoundFile } from './success.ts'

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
