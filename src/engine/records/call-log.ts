import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  createReadStream,
  existsSync,
  fdatasync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
  writevSync,
} from 'node:fs'
import { appendFile, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, syncFolder, syncNow } from '../../lib/files/sync-folder.ts'
import { isAlive, lifeOf, processWorld } from '../../lib/living-process.ts'
import { readLines } from '../../lib/memory/byte-blocks.ts'

/**
 * A file of the call log: a first line that says up to where Postgres has the lines, then the lines. Writes go to the
 * page cache of the operating system, so they survive the end of the process; `sync` makes them survive that of the
 * machine.
 */
interface LogFile {
  readonly path: string
  /** Bytes written, with the first line. */
  readonly size: number
  /** Whether Postgres has every line. */
  readonly isDrained: boolean
  /** Bytes of the lines that Postgres does not have. */
  readonly leftBytes: number
  /** Whether lines are only in the file, and have to be read from it. */
  isLeft: boolean
  /** Appends everything or nothing; returns the position behind it. Throws what the disk says. */
  append(...pieces: Buffer[]): number
  /** Reads bytes again; undefined when the file was taken over, with all its lines. */
  read(from: number, length: number): Buffer | undefined
  /** Whether the file still has its name: a reader may have taken it over. */
  isThere(): boolean
  /** Notes that Postgres has the lines up to a position. */
  drain(end: number): void
  /** Whether every line is on the disk or in Postgres. */
  readonly isSafe: boolean
  /** Whether a sync has failed: no line must be appended any more. */
  readonly isBroken: boolean
  /** Resolves once everything appended before the call is on the disk. */
  sync(): Promise<void>
  /** Syncs lines that are nowhere else, then closes. */
  close(): void
  remove(): void
}

const digits = 15
const headText = (drained: number): Buffer => Buffer.from(`drained ${String(drained).padStart(digits, '0')}\n`)
const headBytes = headText(0).length

/** Reads the position from which the lines of a file have to be read, given its first bytes. */
const drainedOf = (head: string): number => {
  const known = /^drained (\d{15})\n/.exec(head)?.[1]
  return known === undefined ? 0 : Math.max(Number(known), headBytes) // files of former versions have no first line
}

/** Writes the first line of a new file, and syncs its name; or removes the file. */
const writeHead = (handle: number, folder: string, path: string): number => {
  try {
    const size = writeSync(handle, headText(headBytes))
    syncNow(folder)
    return size
  } catch (error) {
    closeSync(handle)
    unlinkSync(path)
    throw error
  }
}

/** Writes all bytes at a position; returns how many they are. Pieces are not joined: one may have a megabyte. */
const writeAll = (handle: number, pieces: readonly Buffer[], from: number): number => {
  const total = pieces.reduce((sum, { length }) => sum + length, 0)
  const [only] = pieces
  if (pieces.length > 1 && writevSync(handle, pieces, from) === total) return total
  const bytes = pieces.length === 1 && only ? only : Buffer.concat(pieces) // the system took a part: again, from its beginning
  for (let at = 0; at < total; ) at += writeSync(handle, bytes, at, total - at, from + at)
  return total
}

/** Creates a file whose name survives a crash of the machine. */
export const createLogFile = (folder: string, path: string): LogFile => {
  const handle = openSync(path, 'wx+', 0o600)
  let size = writeHead(handle, folder, path)
  let drained = size
  let isOpen = true
  let syncing: Promise<void> | undefined
  let next: Promise<void> | undefined
  let synced = 0
  /** The error of the first sync that failed: the system reports it once, then takes the lost pages for written. */
  let failure: Error | undefined

  const dataSync = (): Promise<void> => {
    const upTo = size
    return new Promise((resolve, reject) =>
      fdatasync(handle, (error) => {
        failure ??= error ?? undefined
        if (failure) return reject(failure)
        synced = upTo
        resolve()
      }),
    )
  }

  const begin = (): Promise<void> => {
    syncing = dataSync().finally(() => {
      syncing = undefined
    })
    return syncing
  }

  const isSafe = (): boolean => synced === size || drained === size

  const sync = (): Promise<void> => {
    if (failure) return Promise.reject(failure)
    if (!isOpen) return next ?? syncing ?? Promise.resolve()
    if (!syncing) return begin()
    // The one under way may have begun before the last line: all who ask meanwhile share the next one.
    next ??= syncing
      .catch(() => {})
      .then(() => {
        next = undefined
        return begin()
      })
    return next
  }

  return {
    path,
    isLeft: false,
    get size() {
      return size
    },
    get isDrained() {
      return drained === size
    },
    get leftBytes() {
      return size - drained
    },
    get isSafe() {
      return isSafe()
    },
    get isBroken() {
      return failure !== undefined
    },
    append(...pieces) {
      try {
        size += writeAll(handle, pieces, size)
      } catch (error) {
        ftruncateSync(handle, size)
        throw error
      }
      return size
    },
    read(from, length) {
      if (!isOpen) return undefined
      const bytes = Buffer.allocUnsafe(length)
      return readSync(handle, bytes, 0, length, from) === length ? bytes : undefined
    },
    isThere: () => existsSync(path),
    drain(end) {
      if (end <= drained) return
      drained = end
      if (isOpen) writeSync(handle, headText(drained), 0, headBytes, 0)
    },
    sync,
    close() {
      if (!isOpen) return
      const settled = isSafe() ? (next ?? syncing) : sync()
      if (settled) void settled.catch(() => {}).finally(() => closeSync(handle))
      else closeSync(handle)
      isOpen = false
    },
    remove() {
      try {
        unlinkSync(path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    },
  }
}

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
