import type { SandboxName } from '../model/runbooks/sandbox.ts'

/** What one sandbox may use. Bytes, milliseconds, whole processors or parts of one. */
export interface SandboxLimits {
  memoryBytes: number
  pids: number
  cpus: number
  /** In all of `/app` and the home folder. */
  diskBytes: number
  /** Files and folders in the same. */
  diskFiles: number
  /** Printed by one command. */
  outputBytes: number
}

/** How each limit is kept here: the mechanism by its name, or undefined where there is none. */
export type LimitMechanisms = Readonly<Record<'memory' | 'pids' | 'cpu' | 'disk', string | undefined>>

/** What was found when a sandbox was tried. */
export interface SandboxProbe {
  works: boolean
  /** One line for people: versions, mechanisms, or what went wrong. */
  found: string
  /** What to do about it. */
  remedy?: string
  mechanisms: LimitMechanisms
  /** Versions of what a runbook may expect to find inside, undefined where it is missing: `python3`, `uv`, `node`, `git`. */
  tools: Readonly<Record<string, string | undefined>>
}

export interface SandboxSpec {
  /** Names folder, cgroup and container: lower-case letters, digits, `-`; unique for the life of the sandbox. */
  id: string
  /** For those that run images; refused by the others. */
  image?: string
  limits: SandboxLimits
  /** A folder of this machine that is seen at `/opt/agent`, read-only. */
  agentFolder?: string
  /** Told what is waited for, such as an image that is fetched. */
  onProgress?: (line: string) => void
  /** Ends that waiting. */
  signal?: AbortSignal
}

export interface SandboxCommand {
  argv: readonly string[]
  /** All of the environment; never seen in an argument list. */
  env: Readonly<Record<string, string>>
  /** Default `/app`. */
  cwd?: string
  /** Written to its standard input, which is then closed. */
  stdin?: string
  /** `gateway`: through the bridge to the socket in the gateway's folder, and nowhere else. `none`: nowhere. */
  network: 'gateway' | 'none'
  /** From its start; then everything in the sandbox is killed. */
  wallMs: number
  /** Everything in the sandbox gets SIGTERM, three seconds later SIGKILL. */
  signal: AbortSignal
  /** Called with what it prints as it comes; what it returns is waited for, so that a fast writer is held back. */
  onOutput(stream: 'stdout' | 'stderr', chunk: Buffer): void | Promise<void>
}

export interface SandboxExit {
  /** The first of these that holds. `lost`: it is gone and nobody knows how. */
  reason: 'cancelled' | 'timed_out' | 'out_of_memory' | 'disk_full' | 'output_limit' | 'lost' | 'exit'
  code: number | null
  signal: NodeJS.Signals | null
  durationMs: number
  /** Highest use, where it could be measured. */
  peakMemoryBytes: number | null
  /** Processes that were refused for the limit of pids; null where it cannot be known. */
  refusedProcesses: number | null
}

/** Where things stand as a command sees them: at `inside` of the model, but for a plain process, which sees this machine. */
export type SandboxPlaces = {
  readonly [place in 'app' | 'runbook' | 'results' | 'assets' | 'uploads' | 'home' | 'agent' | 'tools']: string
}

/**
 * A place of its own for one runbook. Commands see the same `/app` and home; each has its own process tree, and nothing
 * of it is alive when `run` resolves.
 */
export interface Sandbox {
  id: string
  /** Folders of this machine. After a first command has run, they are hostile: read them with `walkResults` alone. */
  folders: { app: string; home: string; gateway: string }
  /** What paths to tell the inside. */
  places: SandboxPlaces
  /** Writes a file for the inside, by its path inside (`/app/…` or `/home/agent/…`); only before the first command. */
  put(path: string, body: string | AsyncIterable<Uint8Array>, mode?: number): Promise<void>
  /** Lets the inside use what was made in one of the folders, such as a socket. */
  own(path: string): Promise<void>
  run(command: SandboxCommand): Promise<SandboxExit>
  /** Kills what is alive and removes everything. Idempotent. */
  destroy(): Promise<void>
}

/** `elsewhere`: fetched when it is first used. `missing`: nor can it be fetched. `unknown`: nobody answers who knows. */
export type ImageFound = { state: 'here' | 'elsewhere' | 'unknown' } | { state: 'missing'; why: string }

/** A kind of sandbox. Fails closed: what it cannot isolate, it does not run. */
export interface SandboxProvider {
  name: SandboxName
  /** Tries one; with the signal it is given up, and taken down. */
  probe(signal?: AbortSignal): Promise<SandboxProbe>
  /** Throws `sandbox_unavailable` with a remedy. */
  create(spec: SandboxSpec): Promise<Sandbox>
  /** Whether an image could be used; undefined where this kind runs no images. */
  findImage?(image: string): Promise<ImageFound>
  /** Removes what processes that are gone have left behind, and says how many sandboxes that were. */
  reap(): Promise<number>
}
