import { contentTypeOf } from '../../lib/files/media-type.ts'
import type { FileSource } from '../../model/file-source.ts'
import type { ResultFile, RunbookHost, RunbookOutcome, ScrubbedFile } from '../../model/runbooks/runbook-run.ts'
import { distinctPaths } from '../../sandboxes/files/distinct-paths.ts'
import type { WalkedFile } from '../../sandboxes/files/walk-results.ts'
import type { DeclaredFiles } from '../format/declared-files.ts'
import { matchesOf, shownFirst } from '../format/declared-files.ts'
import { listed } from '../preflight/checks.ts'
import type { Tell } from '../tell.ts'
import type { Results } from './look-at-results.ts'
import type { FoundFile } from './success.ts'

export type Kept = Pick<RunbookOutcome, 'results_files' | 'files' | 'primary_files' | 'agent_log'>

export interface KeptResults {
  kept: Kept
  /** What is kept, as it stood in the results folder. */
  found: readonly FoundFile[]
  /** What was there when the agent had ended, and could not be read any more. */
  notKept: { path: string; message: string }[]
}

export const nothingKept: Kept = { results_files: [], files: [], primary_files: [], agent_log: null }

/** So long results are still kept of a run that is asked to end; its log comes after them. */
const keptAfterMs = 1_500

/** Says when it is too late for more results. */
const lateness = (signal: AbortSignal): (() => boolean) => {
  let sinceMs: number | undefined
  return () => {
    if (!signal.aborted) return false
    sinceMs ??= performance.now()
    return performance.now() - sinceMs > keptAfterMs
  }
}

/** A file that could not be read is no reason to lose the others; one that could not be kept is. */
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
          if (isLate()) throw new Error('the run was asked to end')
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

/** Files out of which secrets were struck, and that are named one by one. */
const namedStruck = 50

/** Says which files are not kept as the agent has made them. */
const makeStruck = (tell: Tell) => {
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
 * Keeps the results in their order, then the log. Of a run that is asked to end, so many as there is time for, which is
 * said; what cannot be kept any more is left out without a word.
 */
export const keepResults = async (
  { results, declared }: { results: Results; declared: DeclaredFiles },
  log: FileSource | undefined,
  {
    host,
    tell,
    scrub,
  }: { host: Pick<RunbookHost, 'keep' | 'scrubFile' | 'signal'>; tell: Tell; scrub(text: string): string },
): Promise<KeptResults> => {
  const kept: { path: string; size: number; file: ResultFile }[] = []
  const notKept: KeptResults['notKept'] = []
  const struck = makeStruck(tell)
  /** Undefined where it could not be read, or there is no time for it any more. */
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
      tell({ type: 'warning', message: `Files that are not kept, as the run was asked to end: ${left}` })
      break
    }
    const keptAs = distinct(scrub(file.path)) // a name may hold a secret too
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
