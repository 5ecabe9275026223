import {
  closeSync,
  existsSync,
  fdatasync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
  writevSync,
} from 'node:fs'
import { syncNow } from '../../lib/files/sync-folder.ts'

/**
 * A file of the call log: a first line that says up to where Postgres has the lines, then the lines. Writes go to the
 * page cache of the operating system, so they survive the end of the process; `sync` makes them survive that of the
 * machine.
 */
export interface LogFile {
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
export const headBytes = headText(0).length

/** Reads the position from which the lines of a file have to be read, given its first bytes. */
export const drainedOf = (head: string): number => {
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
