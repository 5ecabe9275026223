import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const watchdog = fileURLToPath(new URL('./watchdog.ts', import.meta.url))

const memory = '/dev/shm'
/** What lies there cannot be written out where memory gets scarce, so there must be plenty. */
const roomyBytes = 8 * 1024 ** 3

/** A folder in memory where there is room, else that of the system for temporary files. */
export const memoryOrDisk = (): string => {
  if (!existsSync(memory)) return tmpdir()
  const { bavail, bsize } = statfsSync(memory)
  return Math.min(bavail * bsize, process.availableMemory()) > roomyBytes ? memory : tmpdir()
}

/**
 * A new temporary folder for everything a run makes: `os.tmpdir()` leads into it from now on, in the workers too.
 * When this process ends without calling `remove`, in whatever way, a watchdog does it within seconds; it also does what
 * `remove` could not do because somebody was still writing there.
 */
export const makeTestFolder = (parent: string): { folder: string; remove(): void } => {
  const folder = mkdtempSync(join(parent, 'jetty-test-'))
  chmodSync(folder, 0o711) // some tests run as another user
  process.env.TMPDIR = folder
  const child = spawn(process.execPath, ['--import', 'tsx', watchdog, folder], {
    cwd: dirname(watchdog), // from where tsx is found
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'], // the pipe closes when this process is gone
  })
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
  const remove = () => {
    try {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    } catch {
      // left to the watchdog
    }
  }
  return { folder, remove }
}
