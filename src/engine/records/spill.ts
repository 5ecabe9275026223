import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, mkdirSync, readdirSync, statSync } from 'node:fs'
import { appendFile, type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isAlive, processWorld, startTimeOf } from '../../lib/living-process.ts'
import { linesOf } from './spill-line.ts'

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

interface Waiting {
  line: Buffer
  resolve: () => void
  reject: (reason: unknown) => void
}

interface OpenFile {
  path: string
  handle: FileHandle
}

export const openSpill = (folder: string): Spill => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const instance = randomBytes(4).toString('hex') // distinguishes several servers in one process
  const queue: Waiting[] = []
  /** Sizes of our files by path. */
  const sizes = new Map<string, number>()
  let waitingBytes = 0
  let opened = 0
  let current: OpenFile | undefined
  let writing: Promise<void> | undefined

  const nextPath = (): string => join(folder, `${ownName}-${instance}-${opened++}${ending}`)

  const openNext = async (): Promise<OpenFile> => {
    const path = nextPath()
    const handle = await open(path, 'ax', 0o600)
    const directory = await open(folder, 'r')
    await directory.sync().finally(() => directory.close())
    sizes.set(path, 0)
    return { path, handle }
  }

  const write = async (bytes: Buffer): Promise<void> => {
    for (;;) {
      current ??= await openNext()
      const { path, handle } = current
      const before = sizes.get(path) ?? 0
      await appendWhole(handle, bytes, before)
      if (await isThere(path)) {
        sizes.set(path, before + bytes.length)
        return
      }
      await finish() // a reader took the file, and may have read to its end before our bytes were in it
    }
  }

  const finish = async (): Promise<void> => {
    const file = current
    current = undefined
    await file?.handle.close()
  }

  const drain = async (): Promise<void> => {
    await null // lines of the same tick share the first write
    while (queue.length > 0) {
      const batch = queue.splice(0)
      try {
        await write(Buffer.concat(batch.map(({ line }) => line)))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        await finish().catch(() => {})
        for (const { reject } of batch) reject(error)
      }
      for (const { line } of batch) waitingBytes -= line.length
    }
    writing = undefined
  }

  return {
    get bytes() {
      let sum = 0
      for (const size of sizes.values()) sum += size
      return sum + waitingBytes
    },
    get waitingBytes() {
      return waitingBytes
    },
    append(line) {
      waitingBytes += line.length
      return new Promise((resolve, reject) => {
        queue.push({ line, resolve, reject })
        writing ??= drain()
      })
    },
    async take() {
      while (writing) await writing
      await finish()
      const taken: string[] = []
      for (const file of readdirSync(folder).filter((name) => name.endsWith(ending))) {
        const path = join(folder, file)
        if (path === current?.path || (!sizes.has(path) && !isLeft(folder, file))) continue
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
      while (writing) await writing
      await finish()
      for (const path of sizes.keys())
        await rename(path, path.replace(`-${process.pid}-`, `-${nobody}-`)).catch(() => {})
    },
  }
}

/** Writes everything or nothing: a line reported as failed must not be found later. */
const appendWhole = async (handle: FileHandle, bytes: Buffer, before: number): Promise<void> => {
  try {
    await handle.appendFile(bytes)
    await handle.datasync()
  } catch (error) {
    await handle.truncate(before).catch(() => {}) // then its last line is truncated, which readers detect
    throw error
  }
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
