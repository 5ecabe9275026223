import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { appendFile, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, syncFolder } from '../../lib/files/sync-folder.ts'
import { isAlive, lifeOf, processWorld } from '../../lib/living-process.ts'
import { readLines } from '../../lib/memory/byte-blocks.ts'
import { createLogFile, drainedOf, headBytes, type LogFile } from './log-file.ts'

/** Where a line is: a file, and the position behind the line. */
export interface LogPlace {
  file: LogFile
  end: number
}

/**
 * The call log: files of lines that go on to Postgres. Files are named after the process that writes them; a reader
 * first takes a file over by renaming it. A writer whose file was taken writes its last line again into a new file, so
 * nobody needs to know for certain which processes are alive.
 */
export interface CallLog {
  /**
   * Appends a line, in pieces or whole; it survives the end of this process. Throws what the disk says, and then nothing is
   * written.
   */
  append(...pieces: Buffer[]): LogPlace
  /** Resolves once a line, and those before it that Postgres does not have, are on the disk. */
  sync(place: LogPlace): Promise<void>
  /** Notes that Postgres has the line. Lines of a file are drained in their order. */
  drain(place: LogPlace): void
  /** Notes that the line is nowhere but in its file, from which `take` brings it. */
  leave(place: LogPlace): void
  /** Bytes of lines that are only in files. */
  readonly leftBytes: number
  /** Takes over the files whose lines have to be read: our own, and those of dead processes. */
  take(): Promise<string[]>
  /** Yields the lines of a file that Postgres does not have. */
  lines(file: string): AsyncIterable<Buffer>
  /** Moves an unusable line aside; returns the file it is in now. */
  setAside(line: Buffer): Promise<string>
  remove(file: string): Promise<void>
  close(): Promise<void>
}

const ending = '.calls'
/** A file of a process that cannot be looked up counts as orphaned after this long without a new line. */
const leftAfterMs = 60_000
/** Size at which the next line goes to a new file. */
const rotateBytes = 8 * 1024 * 1024

/** Beginning of file names: hashes of the pid namespace and of the process. */
const hashed = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12)
const world = hashed(processWorld())
const ownName = `${world}-${process.pid}-${hashed(lifeOf(process.pid))}`
/** Replaces the pid after a graceful stop: anybody may take the file. */
const nobody = 'nobody'

const isOrphaned = (folder: string, file: string): boolean => {
  const [itsWorld, pid, started] = file.split('-')
  if (pid === nobody) return true
  if (itsWorld !== world) return (statSync(join(folder, file)).mtimeMs ?? 0) < Date.now() - leftAfterMs
  return !isAlive(Number(pid)) || hashed(lifeOf(Number(pid))) !== started
}

/** Reads from where on the lines of a file are not in Postgres. */
const startOf = async (path: string): Promise<number> => {
  const handle = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    return drainedOf(buffer.toString('latin1', 0, bytesRead))
  } finally {
    await handle.close()
  }
}

async function* undrainedLines(path: string): AsyncGenerator<Buffer> {
  yield* readLines(createReadStream(path, { start: await startOf(path) }))
}

export const openCallLog = (folder: string): CallLog => {
  makeFolder(folder)
  const instance = randomBytes(4).toString('hex') // distinguishes several servers in one process
  let opened = 0
  const nextPath = (): string => join(folder, `${ownName}-${instance}-${opened++}${ending}`)
  /** Our files by path, and the one that is written to. */
  const files = new Map<string, LogFile>()
  let current: LogFile | undefined
  /** Sizes of files that `take` gave out, by path. */
  const taken = new Map<string, number>()

  /** Removes a file that is needed no more: whatever stays would be read again by the next process. */
  const forget = (file: LogFile): void => {
    file.close()
    if (!file.isLeft) file.remove()
    if (!file.isLeft) files.delete(file.path)
  }

  /** The next line goes to a new file. */
  const rotate = (): void => {
    const file = current
    current = undefined
    if (file && (file.isDrained || file.isLeft)) forget(file)
  }

  /** After an error the next line tries a new file: this one may have reached a limit of its own. */
  const appendTo = (file: LogFile, pieces: Buffer[]): number => {
    try {
      return file.append(...pieces)
    } catch (error) {
      rotate()
      throw error
    }
  }

  const write = (...pieces: Buffer[]): LogPlace => {
    for (;;) {
      if (current && (current.size >= rotateBytes || current.isBroken)) rotate()
      if (!current) {
        current = createLogFile(folder, nextPath())
        files.set(current.path, current)
      }
      const file = current
      const end = appendTo(file, pieces)
      if (file.isThere()) return { file, end }
      // A reader took the file, and may have read to its end before the line was in it.
      file.close()
      files.delete(file.path)
      current = undefined
    }
  }

  return {
    append: write,
    async sync({ file }) {
      // A large request may be in the file before, which was full.
      const unsafe = [...files.values()].filter((one) => one !== file && !one.isSafe)
      await Promise.all([file, ...unsafe].map((one) => one.sync()))
    },
    drain({ file, end }) {
      if (file.isLeft) return // lines before this one are only in the file
      file.drain(end)
      if (file !== current && file.isDrained && !file.isLeft) forget(file)
    },
    leave({ file }) {
      file.isLeft = true
    },
    get leftBytes() {
      let sum = 0
      for (const file of files.values()) if (file.isLeft) sum += file.leftBytes
      for (const size of taken.values()) sum += size
      return sum
    },
    async take() {
      if (current?.isLeft) rotate()
      const found: string[] = []
      for (const name of readdirSync(folder).filter((one) => one.endsWith(ending))) {
        const path = join(folder, name)
        const own = files.get(path)
        const isWanted = own ? own.isLeft && own !== current : taken.has(path) || isOrphaned(folder, name)
        if (!isWanted) continue
        const next = nextPath()
        await rename(path, next)
        files.delete(path)
        taken.delete(path)
        taken.set(next, (await stat(next)).size)
        found.push(next)
      }
      return found
    },
    lines: undrainedLines,
    async setAside(line) {
      const path = join(folder, 'set-aside.lines')
      await appendFile(path, Buffer.concat([line, Buffer.from('\n')]), { mode: 0o600, flush: true })
      await syncFolder(folder)
      return path
    },
    async remove(file) {
      await rm(file, { force: true })
      taken.delete(file)
    },
    async close() {
      rotate()
      for (const path of [...files.keys(), ...taken.keys()])
        await rename(path, path.replace(`-${process.pid}-`, `-${nobody}-`)).catch(() => {})
    },
  }
}
