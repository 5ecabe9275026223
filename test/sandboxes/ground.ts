import { readdirSync, readFileSync } from 'node:fs'
import type {
  Sandbox,
  SandboxCommand,
  SandboxExit,
  SandboxLimits,
  SandboxProvider,
} from '../../src/sandbox/isolation/sandbox.ts'

const mebibyte = 1024 ** 2

/** Small enough that each is reached within a second, large enough for Node. */
export const smallLimits: SandboxLimits = {
  memoryBytes: 256 * mebibyte,
  pids: 64,
  cpus: 2,
  diskBytes: 32 * mebibyte,
  diskFiles: 2_000,
  outputBytes: 4 * mebibyte,
}

export interface Ran extends SandboxExit {
  stdout: string
  stderr: string
}

let made = 0
export const newId = (): string => `test-${process.pid}-${made++}`

/** Runs a shell script in a sandbox and gives what it printed. */
export const runIn = async (sandbox: Sandbox, script: string, how: Partial<SandboxCommand> = {}): Promise<Ran> => {
  const printed = { stdout: '', stderr: '' }
  const exit = await sandbox.run({
    argv: ['sh', '-c', script],
    env: {},
    network: 'none',
    wallMs: 100_000,
    signal: new AbortController().signal,
    onOutput(stream, chunk) {
      printed[stream] += chunk
    },
    ...how,
  })
  return { ...exit, ...printed }
}

/** The same in a sandbox of its own that is gone afterwards. */
export const runOnce = async (
  provider: SandboxProvider,
  script: string,
  how: Partial<SandboxCommand> & {
    limits?: Partial<SandboxLimits>
    prepare?: (sandbox: Sandbox) => Promise<void>
  } = {},
): Promise<Ran> => {
  const { limits, prepare, ...command } = how
  const sandbox = await provider.create({ id: newId(), limits: { ...smallLimits, ...limits } })
  try {
    await prepare?.(sandbox)
    return await runIn(sandbox, script, command)
  } finally {
    await sandbox.destroy()
  }
}

/** Processes of this machine that live and have a word in their command line; zombies do not live. */
export const livingWith = (word: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const isZombie = /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
        return !isZombie && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(word)
      } catch {
        return false
      }
    })
    .map(Number)

/** Whom processes run as, without those that have ended meanwhile. */
export const uidsOf = (pids: readonly number[]): number[] =>
  pids.flatMap((pid) => {
    try {
      return Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
    } catch {
      return []
    }
  })

/** A time for `sleep` that nobody else sleeps: by it its processes are found. */
export const uniqueSeconds = (): string => `${1_000 + made++}.${String(process.pid).padStart(8, '0')}`
