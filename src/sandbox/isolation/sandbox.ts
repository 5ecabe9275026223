import type { SandboxName } from '../../model/runbooks/sandbox.ts'

/** Limits of one sandbox: bytes, milliseconds, processors (fractions allowed). */
export interface SandboxLimits {
  memoryBytes: number
  pids: number
  cpus: number
  /** Bytes in `/app` and the home folder together. */
  diskBytes: number
  /** Files and folders in `/app` and the home folder together. */
  diskFiles: number
  /** Bytes printed by one command. */
  outputBytes: number
}

/** Name of the mechanism that enforces each limit; undefined when none does. */
export type LimitMechanisms = Readonly<Record<'memory' | 'pids' | 'cpu' | 'disk', string | undefined>>

/** Result of probing a sandbox. */
export interface SandboxProbe {
  works: boolean
  /** One line for people: versions and mechanisms, or what went wrong. */
  found: string
  /** The remedy of a failed probe. */
  remedy?: string
  mechanisms: LimitMechanisms
  /** Versions of the tools that runbooks expect (`python3`, `uv`, `node`, `git`, …); undefined for a missing one. */
  tools: Readonly<Record<string, string | undefined>>
}

export interface SandboxSpec {
  /** Names the folder, control group and container: lower-case letters, digits, `-`; unique for the sandbox's life. */
  id: string
  /** Container image; kinds that run no images refuse it. */
  image?: string
  limits: SandboxLimits
  /** Host folder mounted read-only at `/opt/agent`. */
  agentFolder?: string
  /** Receives progress lines while waiting, for example for an image pull. */
  onProgress?: (line: string) => void
  /** Aborts that waiting. */
  signal?: AbortSignal
}

export interface SandboxCommand {
  argv: readonly string[]
  /** The complete environment; never passed as arguments. */
  env: Readonly<Record<string, string>>
  /** Working directory. Default `/app`. */
  cwd?: string
  /** Written to standard input, which is then closed. */
  stdin?: string
  /** `gateway`: the command reaches only the socket of its gateway. `none`: no network. */
  network: 'gateway' | 'none'
  /** Timeout from the command's start; then everything in the sandbox is killed. */
  wallMs: number
  /** On abort everything in the sandbox gets SIGTERM, and SIGKILL three seconds later. */
  signal: AbortSignal
  /** Receives output as it comes; a returned promise holds back a fast writer. */
  onOutput(stream: 'stdout' | 'stderr', chunk: Buffer): void | Promise<void>
}

export interface SandboxExit {
  /** The first of these that applies. `lost`: the command is gone and its exit unknown. */
  reason: 'cancelled' | 'timed_out' | 'out_of_memory' | 'disk_full' | 'output_limit' | 'lost' | 'exit'
  code: number | null
  signal: NodeJS.Signals | null
  durationMs: number
  /** Peak memory, where it could be measured. */
  peakMemoryBytes: number | null
  /** Forks refused by the process limit; null when unknown. */
  refusedProcesses: number | null
}

/** Paths as a command sees them: the model's `inside`, or host paths for a plain process. */
export type SandboxPlaces = {
  readonly [place in 'app' | 'runbook' | 'results' | 'assets' | 'uploads' | 'home' | 'agent' | 'tools']: string
}

/**
 * The isolated environment of one runbook. Its commands share `/app` and the home folder; each has its own process
 * tree, and nothing of it is alive once `run` resolves.
 */
export interface Sandbox {
  id: string
  /** Host folders. After the first command they are hostile: read them only with `walkResults`. */
  folders: { app: string; home: string; gateway: string }
  /** Paths to tell the command. */
  places: SandboxPlaces
  /** Writes a file at a path inside (`/app/…` or `/home/agent/…`); only before the first command. */
  put(path: string, body: string | AsyncIterable<Uint8Array>, mode?: number): Promise<void>
  /** Gives the sandbox's user access to something created in one of the folders, such as a socket. */
  own(path: string): Promise<void>
  run(command: SandboxCommand): Promise<SandboxExit>
  /** Kills everything alive and removes the folders. Idempotent. */
  destroy(): Promise<void>
}

/** `elsewhere`: pulled on first use. `missing`: cannot be pulled. `unknown`: the engine or registry does not answer. */
export type ImageFound = { state: 'here' | 'elsewhere' | 'unknown' } | { state: 'missing'; why: string }

/** A kind of sandbox. It fails closed: what it cannot isolate, it does not run. */
export interface SandboxProvider {
  name: SandboxName
  /** Creates and inspects one sandbox; an abort takes it down. */
  probe(signal?: AbortSignal): Promise<SandboxProbe>
  /** Creates a sandbox. Throws `sandbox_unavailable` with a hint. */
  create(spec: SandboxSpec): Promise<Sandbox>
  /** Whether an image could be used; undefined for kinds without images. */
  findImage?(image: string): Promise<ImageFound>
  /** Removes sandboxes of dead processes and returns their number. */
  reap(): Promise<number>
}
