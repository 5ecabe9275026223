import { contentTypeOf } from '../lib/media-type.ts'
import type { FileSource } from '../model/file-source.ts'
import type { ResultFile, RunbookHost, RunbookOutcome } from '../model/runbook-run.ts'
import type { WalkedFile } from '../sandboxes/files/walk-results.ts'
import type { DeclaredFiles } from './format/declared-files.ts'
import { matchesOf } from './format/declared-files.ts'
import type { Results } from './look-at-results.ts'
import type { FoundFile } from './success.ts'
import type { Tell } from './tell.ts'

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
const readOrNot = (file: WalkedFile, isLate: () => boolean): { source: FileSource; problem(): string | undefined } => {
  let problem: string | undefined
  const source: FileSource = {
    name: file.path.slice(file.path.lastIndexOf('/') + 1),
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

/**
 * Keeps the results in their order, then the log. Of a run that is asked to end, so many as there is time for, which is
 * said; what cannot be kept any more is left out without a word.
 */
export const keepResults = async (
  { results, declared }: { results: Results; declared: DeclaredFiles },
  log: FileSource | undefined,
  { host, tell }: { host: Pick<RunbookHost, 'keep' | 'signal'>; tell: Tell },
): Promise<KeptResults> => {
  const kept: { path: string; size: number; file: ResultFile }[] = []
  const notKept: KeptResults['notKept'] = []
  const keep = async (source: FileSource, path: string, problem: () => string | undefined, kind?: 'log') => {
    try {
      return await host.keep(source, path, kind)
    } catch (error) {
      if (!host.signal.aborted && problem() === undefined) throw error
      if (problem() !== undefined) {
        const message = `${path} is not kept: ${problem()}`
        notKept.push({ path, message })
        tell({ type: 'warning', message })
      }
      return undefined
    }
  }
  for (const message of results.warnings) tell({ type: 'warning', message })
  const isLate = lateness(host.signal)
  for (const [index, file] of results.files.entries()) {
    if (isLate()) {
      const left = results.files.length - index
      tell({ type: 'warning', message: `Files that are not kept, as the run was asked to end: ${left}` })
      break
    }
    const { source, problem } = readOrNot(file, isLate)
    const stored = await keep(source, file.path, problem)
    if (stored) kept.push({ path: file.path, size: file.size, file: stored })
  }
  const stored = log && (await keep(log, log.name, () => undefined, 'log'))
  const files = kept.map(({ file }) => file)
  const primary = declared.primary.flatMap((output) => {
    const found = matchesOf(output, kept)
    if (found.length === 0) {
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
