import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const watchdog = fileURLToPath(new URL('./watchdog.ts', import.meta.url))

const memory = '/dev/shm'
/** What lies there cannot be written out where memory gets scarce, so there must be plenty. */
const roomyBytes = 8 * 1024 ** 3

const hasRoom = (): boolean => {
  if (!existsSync(memory)) return false
  const { bavail, bsize } = statfsSync(memory)
  return Math.min(bavail * bsize, process.availableMemory()) > roomyBytes
}

/** A new folder that other users may go through: some tests run as one. */
const makeFolder = (parent: string): string => {
  const folder = mkdtempSync(join(parent, 'jetty-test-'))
  chmodSync(folder, 0o711)
  return folder
}

/**
 * A temporary folder for everything a test run makes: `os.tmpdir()` leads into it from now on, in the workers too. The
 * shared Postgres has one in memory where there is room: a database is made and dropped with a sixth of the CPU there.
 * When this process ends without calling `remove`, in whatever way, a watchdog does it within seconds; it also does what
 * `remove` could not do because somebody was still writing there.
 */
export const makeTestFolder = (): { folder: string; databases: string; remove(): void } => {
  const folder = makeFolder(tmpdir())
  const databases = hasRoom() ? makeFolder(memory) : folder
  process.env.TMPDIR = folder
  const child = spawn(process.execPath, ['--import', 'tsx', watchdog, databases, folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'], // the pipe closes when this process is gone
  })
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
  const remove = () => {
    try {
      for (const path of [databases, folder]) rmSync(path, { recursive: true, force: true, maxRetries: 5 })
    } catch {
      // left to the watchdog
    }
  }
  return { folder, databases, remove }
}
