import { constants } from 'node:fs'
import { access, type FileHandle, lstat, open, opendir } from 'node:fs/promises'
import { sanitizeSegment } from '../../../lib/files/file-names.ts'
import { byteSize } from '../../../lib/settings/byte-size.ts'
import { distinctPaths } from './distinct-paths.ts'

/** Limits of what is read from a folder that an agent has written. */
export interface WalkLimits {
  /** Maximum number of files. */
  files: number
  /** Maximum bytes of all files together. */
  bytes: number
  /** Maximum bytes of one file; default `bytes`. */
  fileBytes?: number
  /** Relative paths taken first, so that other files never crowd out what a runbook declares. */
  first?: readonly string[]
  /** Maximum entries examined; default 4 for each file allowed, and at least 10,000. */
  entries?: number
}

/** A file that can be stored. Its bytes are read on demand while the folder exists. */
export interface WalkedFile {
  kind: 'file'
  /** Path below the folder, with forward slashes and only printable characters. */
  path: string
  /** Size in bytes, holes included. */
  size: number
  isExecutable: boolean
  open(): AsyncIterable<Uint8Array>
}

const skipReasons = {
  symlink: 'a symbolic link',
  device: 'a device',
  fifo: 'a named pipe',
  socket: 'a socket',
  setuid: 'a program that would run as somebody else (setuid or setgid)',
  unreadable: 'not readable',
  deep: 'in too many folders',
  long: 'at a path that is too long',
  large: 'larger than is kept',
  total: 'beyond what is kept of one runbook',
  changed: 'changed while it was read',
} as const
type SkipReason = keyof typeof skipReasons

/** Reports a skipped file, or (`more`) the number of further ones that are not named. */
type WalkNotice =
  | { kind: 'skipped'; path: string; reason: SkipReason; message: string }
  | { kind: 'more'; message: string }

export type Walked = WalkedFile | WalkNotice

const mostFolders = 32
/** Longest path in bytes: with a host folder before it, it can still be opened. */
const longestPath = 3_000
/** Maximum names read from one folder; a larger folder is not read to its end. */
const mostNames = 3_000_000
/** Maximum skipped files that are named; the others are only counted. */
const namedNotices = 50
const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants
const setIds = 0o6000
const chunkBytes = 256 * 1024

/**
 * Path of a name in an open folder. On Linux it goes through the folder's descriptor, so that swapping a parent folder
 * has no effect; elsewhere it is the plain path, which nobody changes any more.
 */
const within = (folder: FileHandle, path: Buffer, name: Buffer): Buffer =>
  Buffer.concat([process.platform === 'linux' ? Buffer.from(`/proc/self/fd/${folder.fd}`) : path, slash, name])
const slash = Buffer.from('/')

const openFolder = (path: Buffer | string) => open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)

/** Opens a nested folder without following symbolic links, and closes it afterwards. */
const inFolder = async <T>(
  root: string,
  names: readonly Buffer[],
  use: (entry: (name: Buffer) => Buffer) => Promise<T>,
): Promise<T> => {
  let folder = await openFolder(root)
  let path: Buffer = Buffer.from(root)
  try {
    for (const name of names) {
      const next = await openFolder(within(folder, path, name))
      await folder.close()
      folder = next
      path = Buffer.concat([path, slash, name])
    }
    return await use((name) => within(folder, path, name))
  } finally {
    await folder.close()
  }
}

const here = Buffer.from('.')

/** Reads the smallest names of a folder in order: the same folder always gives the same names, however many it has. */
const namesOf = async (
  folder: Buffer,
  most: number,
  look: () => boolean,
): Promise<{ names: Buffer[]; isWhole: boolean }> => {
  let names: Buffer[] = []
  let isWhole = true
  const cut = () => {
    names.sort(Buffer.compare)
    if (names.length > most) isWhole = false
    names = names.slice(0, most)
  }
  // The types do not know that this encoding makes names bytes.
  const entries = await opendir(folder, { encoding: 'buffer' as BufferEncoding, bufferSize: 1024 })
  for await (const entry of entries) {
    if (!look()) {
      isWhole = false
      break
    }
    names.push(entry.name as unknown as Buffer)
    if (names.length >= 2 * most + 1024) cut()
  }
  cut()
  return { names, isWhole }
}

interface Identity {
  dev: bigint
  ino: bigint
  mode: bigint
  size: bigint
  ctimeNs: bigint
}

/** Compares times too: a new file may reuse the inode of a removed one. */
const isSame = (one: Identity, other: Identity): boolean =>
  one.dev === other.dev && one.ino === other.ino && one.size === other.size && one.ctimeNs === other.ctimeNs

/** Streams a file examined before, as long as it is still the same file from start to end. */
async function* bytesOf(root: string, folders: readonly Buffer[], name: Buffer, found: Identity) {
  const hasChanged = () => new Error(`${inShort(shownPath([...folders, name]))} ${skipReasons.changed}`)
  const file = await inFolder(root, folders, (entry) => open(entry(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
  try {
    const now = await file.stat({ bigint: true })
    if (!now.isFile() || !isSame(now, found)) throw hasChanged()
    let left = Number(found.size)
    while (left > 0) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(chunkBytes, left)))
      if (bytesRead === 0) throw hasChanged()
      left -= bytesRead
      yield buffer.subarray(0, bytesRead)
    }
    if (!isSame(await file.stat({ bigint: true }), found)) throw hasChanged()
  } finally {
    await file.close()
  }
}

type Looked = { kind: 'folder' } | { kind: 'file'; identity: Identity } | { kind: 'other'; reason: SkipReason }

/** Error codes that mean one entry is unreadable, and not that the disk is broken. */
const isDenied = (error: unknown): boolean =>
  ['EACCES', 'EPERM', 'ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')

const lookAt = async (path: Buffer): Promise<Looked> => {
  const other = (reason: SkipReason): Looked => ({ kind: 'other', reason })
  try {
    const found = await lstat(path, { bigint: true })
    if (found.isDirectory()) return { kind: 'folder' }
    if (found.isSymbolicLink()) return other('symlink')
    if (found.isFIFO()) return other('fifo')
    if (found.isSocket()) return other('socket')
    if (!found.isFile()) return other('device')
    if (Number(found.mode) & setIds) return other('setuid')
    await access(path, constants.R_OK)
    return { kind: 'file', identity: found }
  } catch (error) {
    if (!isDenied(error)) throw error
    return other('unreadable')
  }
}

const shownPath = (names: readonly Buffer[]): string => names.map((name) => sanitizeSegment(name.toString())).join('/')
/** Shortens a long path to its beginning and end. */
const inShort = (path: string): string => (path.length > 300 ? `${path.slice(0, 150)}…${path.slice(-100)}` : path)
const keyOf = (names: readonly Buffer[]): string => names.map((name) => name.toString('latin1')).join('/')

/** Counts what was taken and skipped so far, and the names in use. */
const makeTally = (root: string, limits: WalkLimits) => {
  const largest = Math.min(limits.fileBytes ?? limits.bytes, limits.bytes)
  let files = 0
  let bytes = 0
  let notices = 0
  const unnamed = new Map<SkipReason, number>()
  const distinct = distinctPaths()
  const taken = new Set<string>()

  const skip = (names: readonly Buffer[], reason: SkipReason, detail = ''): WalkNotice[] => {
    notices += 1
    if (notices > namedNotices) {
      unnamed.set(reason, (unnamed.get(reason) ?? 0) + 1)
      return []
    }
    const path = shownPath(names)
    const message = `${inShort(path)} is not kept: it is ${skipReasons[reason]}${detail}`
    return [{ kind: 'skipped', path, reason, message }]
  }

  return {
    isTaken: (names: readonly Buffer[]) => taken.has(keyOf(names)),
    skip,
    take(names: readonly Buffer[], identity: Identity): Walked[] {
      taken.add(keyOf(names))
      const size = Number(identity.size)
      const shown = shownPath(names)
      if (Buffer.byteLength(shown) > longestPath) return skip(names, 'long')
      if (size > largest) return skip(names, 'large', ` (${byteSize(size)}, of at most ${byteSize(largest)})`)
      if (files >= limits.files) return skip(names, 'total', ` (${limits.files} files)`)
      if (bytes + size > limits.bytes) return skip(names, 'total', ` (${byteSize(limits.bytes)} together)`)
      files += 1
      bytes += size
      const path = distinct(shown) // distinct names may become equal once unprintable characters are replaced
      const open = () => bytesOf(root, names.slice(0, -1), names.at(-1) as Buffer, identity)
      return [{ kind: 'file', path, size, isExecutable: (identity.mode & 0o111n) !== 0n, open }]
    },
    rest: (): WalkNotice[] =>
      [...unnamed].map(([reason, count]) => ({
        kind: 'more',
        message: `${count} more not kept: ${skipReasons[reason]}`,
      })),
  }
}

/** Splits a declared path into names; undefined when it leads out of the folder. */
const namesIn = (path: string): Buffer[] | undefined => {
  const names = path.split('/').filter((name) => name !== '' && name !== '.')
  const isBelow = names.length > 0 && names.length <= mostFolders && !names.includes('..') && !path.includes('\0')
  return isBelow ? names.map((name) => Buffer.from(name)) : undefined
}

/**
 * Yields every storable file of a hostile folder. Call it when every process that could write there is dead. It follows
 * no links and takes regular files only, level by level in name order, so that a folder full of junk does not crowd out
 * what stands above it. Skipped files are reported: fifty by name, the rest by number. The limits bound memory and
 * time, whatever the folder holds.
 */
export async function* walkResults(
  root: string,
  limits: WalkLimits,
  signal?: AbortSignal,
): AsyncGenerator<Walked, void> {
  const most = limits.entries ?? Math.max(4 * limits.files, 10_000)
  const tally = makeTally(root, limits)
  let entries = 0
  let looks = 0
  let isCutShort = false

  const rootLooked = await lookAt(Buffer.from(root))
  if (rootLooked.kind !== 'folder') {
    yield { kind: 'more', message: 'The results folder is gone, or is no folder any more; nothing of it is kept' }
    return
  }

  for (const wanted of limits.first ?? []) {
    const names = namesIn(wanted)
    if (!names || tally.isTaken(names)) continue
    try {
      const looked = await inFolder(root, names.slice(0, -1), (entry) => lookAt(entry(names.at(-1) as Buffer)))
      if (looked.kind === 'file') yield* tally.take(names, looked.identity) // the walk below reports every other kind
    } catch (error) {
      if (!isDenied(error)) throw error
    }
  }

  /** The things in one folder; those that could not be looked at are counted. */
  const look = async (folder: readonly Buffer[]): Promise<{ path: Buffer[]; looked: Looked }[]> =>
    inFolder(root, folder, async (entry) => {
      const found = await namesOf(entry(here), most - entries, () => ++looks <= mostNames)
      entries += found.names.length
      if (!found.isWhole) isCutShort = true
      const seen: { path: Buffer[]; looked: Looked }[] = []
      for (const name of found.names) seen.push({ path: [...folder, name], looked: await lookAt(entry(name)) })
      return seen
    })

  let level: Buffer[][] = [[]]
  while (level.length > 0) {
    const below: Buffer[][] = []
    for (const folder of level) {
      signal?.throwIfAborted()
      if (entries >= most) {
        isCutShort = true
        break
      }
      const seen = await look(folder).catch((error: unknown) => {
        if (!isDenied(error)) throw error
        return undefined
      })
      if (!seen) yield* tally.skip(folder, 'unreadable')
      for (const { path, looked } of seen ?? []) {
        if (looked.kind === 'file') {
          if (!tally.isTaken(path)) yield* tally.take(path, looked.identity)
        } else if (looked.kind === 'other') yield* tally.skip(path, looked.reason)
        else if (path.length <= mostFolders) below.push(path)
        else yield* tally.skip(path, 'deep')
      }
    }
    level = below
  }

  yield* tally.rest()
  if (isCutShort)
    yield { kind: 'more', message: `There are more than ${most} files and folders; those beyond were not looked at` }
}
