import type { FileSource } from '../file-source.ts'
import type { ResultFile, ScrubbedFile } from '../runbooks/runbook-run.ts'
import type { SandboxName } from '../runbooks/sandbox.ts'

export type ScriptLanguage = 'python' | 'javascript' | 'shell'

/** Every name of a language. */
export const languageNames = {
  python: 'python',
  javascript: 'javascript',
  shell: 'shell',
  python3: 'python',
  py: 'python',
  js: 'javascript',
  node: 'javascript',
  nodejs: 'javascript',
  bash: 'shell',
  sh: 'shell',
} as const satisfies Record<string, ScriptLanguage>

/** Languages with packages. */
export type PackageLanguage = Exclude<ScriptLanguage, 'shell'>

/** Exact versions of packages in a registry. */
const packagePatterns: Readonly<Record<PackageLanguage, RegExp>> = {
  javascript: /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*@\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/,
  python: /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[a-z0-9,_-]+\])?==\d[0-9A-Za-z.!+]*$/,
}
const packageExamples: Readonly<Record<PackageLanguage, string>> = {
  javascript: 'lodash@4.17.21',
  python: 'requests==2.32.3',
}

/** Says why packages cannot be installed for a language, and what to write instead; undefined if they can. */
export const packageFault = (
  language: ScriptLanguage,
  packages: readonly string[],
): { message: string; hint: string } | undefined => {
  if (packages.length === 0) return undefined
  if (language === 'shell') {
    const hint = 'Use python or javascript, or put the programs into the image of the sandboxes.'
    return { message: 'A shell script has no packages', hint }
  }
  const wrong = packages.find((one) => !packagePatterns[language].test(one))
  if (wrong === undefined) return undefined
  return { message: `Package '${wrong}' has no exact version`, hint: `Write it like ${packageExamples[language]}.` }
}

/** A script with everything that it may use. */
export interface ScriptRequest {
  language: ScriptLanguage
  code: string
  /** The inputs as JSON text. */
  inputs: string
  /** Storage paths of files that the script reads. */
  files: readonly string[]
  /** Variables that the script sees beside the usual ones. */
  env: Readonly<Record<string, string>>
  /** Hosts that the script may reach; none: no network. */
  network: readonly string[]
  /** Pinned packages: `name@1.2.3` of npm, `name==1.2.3` of PyPI. */
  packages: readonly string[]
  /** Time limit from the start of the script; default: that of the server. */
  seconds?: number | undefined
}

/** How a script ended: `exit`, or the limit that ended it. */
type ScriptEnd =
  | 'exit'
  | 'cancelled'
  | 'timed_out'
  | 'out_of_memory'
  | 'disk_full'
  | 'output_limit'
  | 'process_limit'
  | 'lost'

export interface ScriptOutcome {
  end: ScriptEnd
  exitCode: number | null
  /** JSON text of the result, null if there is none, or the fault of what the script left there. */
  result: { text: string | null } | { problem: string }
  /** The last part of what was printed, without secrets. */
  stdout: string
  stderr: string
  files: ResultFile[]
  warnings: string[]
  /** Hosts that the script may not reach, and asked for. */
  refusedHosts: readonly string[]
  durationMs: number
  sandbox: SandboxName
  /** The limits that applied, for errors. */
  limits: { seconds: number; memoryBytes: number; diskBytes: number; outputBytes: number; pids: number }
}

/** What a script needs of the run that it belongs to. */
export interface ScriptHost {
  /** Names the sandbox; the run's trajectory id with the number of the step. */
  id: string
  /** Owner of the share of sandboxes: a collection. */
  owner: { readonly payer: number | string; readonly collectionId: number }
  /** The trace that the script is part of, for its variables `TRACEPARENT` and `TRACESTATE`. */
  trace?: string | undefined
  /** Hosts that the collection may reach; undefined: every public one. */
  allowedHosts(): Promise<readonly string[] | undefined>
  /** Opens an input by storage path; throws `not_found`. */
  openFile(path: string): Promise<FileSource>
  /** Stores a file; `keepAs` is its path below the results folder. */
  keep(file: FileSource, keepAs: string): Promise<ResultFile>
  /** Receives what the script prints while it runs, in lines without secrets. */
  printed(stream: 'stdout' | 'stderr', text: string): void
  scrub(text: string): string
  /** Makes a scrubber for what comes in pieces. A possible beginning of a secret waits for the next piece, or for `rest`. */
  scrubStream(): { push(chunk: Uint8Array): Uint8Array; rest(): Uint8Array }
  scrubFile(file: FileSource): ScrubbedFile
  /** Called when the script has to wait for a sandbox; resolves the returned function when it goes on. */
  waiting(): () => Promise<void>
  signal: AbortSignal
}

/**
 * Runs a script in a fresh sandbox. Faults of the script are in the outcome. Throws `sandbox_unavailable`, `cancelled`,
 * and errors about its files and packages.
 */
export type RunScript = (request: ScriptRequest, host: ScriptHost) => Promise<ScriptOutcome>

/** Throws `sandbox_unavailable` with the remedy when scripts of this kind cannot run here. Starts nothing of the run. */
export type CheckScript = (wanted: { language?: ScriptLanguage; packages?: readonly string[] }) => Promise<void>
