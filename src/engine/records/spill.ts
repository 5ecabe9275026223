import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, mkdirSync, readdirSync, statSync } from 'node:fs'
import { appendFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isAlive, processWorld, startTimeOf } from '../../lib/living-process.ts'
import { linesOf } from './spill-line.ts'
import { makeSpillWriter } from './spill-writer.ts'

/**
 * Lines waiting in files while the database is away. A line is durable once `append` resolves. Files are named after
 * the process that writes them; a reader first takes a file over by renaming it. A writer whose file was taken in the
 * middle of a line writes that line again into its next file, so nobody needs to know for certain which processes are
 * alive.
 */
export interface Spill {
  append(line: Buffer): Promise<void>
  /** Bytes in files of this process, and those waiting for the disk. */
  readonly bytes: number
  readonly waitingBytes: number
  /** Takes over files that can be read now: our own, and those of dead processes. */
  take(): Promise<string[]>
  lines(file: string): AsyncIterable<Buffer>
  /** Moves an unusable line aside; returns the file it is in now. */
  setAside(line: Buffer): Promise<string>
  remove(file: string): Promise<void>
  close(): Promise<void>
}

const ending = '.calls'
/** A file of a process that cannot be looked up counts as orphaned after this long without a new line. */
const leftAfterMs = 60_000

/** Beginning of file names: hashes of the pid namespace and of the process. */
const hashed = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12)
const world = hashed(processWorld())
const ownName = `${world}-${process.pid}-${hashed(startTimeOf(process.pid) ?? '')}`
/** Replaces the pid after a graceful stop: anybody may take the file. */
const nobody = 'nobody'

const isLeft = (folder: string, file: string): boolean => {
  const [itsWorld, pid, started] = file.split('-')
  if (pid === nobody) return true
  if (itsWorld !== world) return (statSync(join(folder, file)).mtimeMs ?? 0) < Date.now() - leftAfterMs
  return !isAlive(Number(pid)) || hashed(startTimeOf(Number(pid)) ?? '') !== started
}

export const openSpill = (folder: string): Spill => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const instance = randomBytes(4).toString('hex') // distinguishes several servers in one process
  /** Sizes of our files by path. */
  const sizes = new Map<string, number>()
  let opened = 0
  const nextPath = (): string => join(folder, `${ownName}-${instance}-${opened++}${ending}`)
  const writer = makeSpillWriter({ folder, nextPath, sizes })
  return {
    append: writer.append,
    get bytes() {
      let sum = 0
      for (const size of sizes.values()) sum += size
      return sum + writer.waitingBytes
    },
    get waitingBytes() {
      return writer.waitingBytes
    },
    async take() {
      await writer.finish()
      const taken: string[] = []
      for (const file of readdirSync(folder).filter((name) => name.endsWith(ending))) {
        const path = join(folder, file)
        if (path === writer.path || (!sizes.has(path) && !isLeft(folder, file))) continue
        const own = nextPath()
        await rename(path, own)
        sizes.delete(path)
        sizes.set(own, (await stat(own)).size)
        taken.push(own)
      }
      return taken
    },
    lines: (file) => linesOf(createReadStream(file)),
    async setAside(line) {
      const path = join(folder, 'set-aside.lines')
      await appendFile(path, Buffer.concat([line, Buffer.from('\n')]), { mode: 0o600, flush: true })
      return path
    },
    async remove(file) {
      await rm(file, { force: true })
      sizes.delete(file)
    },
    async close() {
      await writer.finish()
      for (const path of sizes.keys())
        await rename(path, path.replace(`-${process.pid}-`, `-${nobody}-`)).catch(() => {})
    },
  }
}
