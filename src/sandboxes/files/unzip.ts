import { crc32 } from 'node:zlib'
import type { Entry, ZipFile } from 'yauzl'
import { AppError, messageOf } from '../../lib/errors.ts'
import { sanitizeSegment, unwanted } from '../../lib/files/file-names.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'

export interface UnzipLimits {
  /** All members together, unpacked. */
  bytes: number
  /** Members, folders among them. */
  files: number
}

/** A file of an archive. Its bytes can be read while the next one has not been asked for. */
export interface ZipMember {
  /** Relative, with forward slashes; leads nowhere above where it begins. */
  path: string
  /** Unpacked, in bytes; more than that never comes. */
  size: number
  /** 0o755 for programs, else 0o644. */
  mode: number
  open(): AsyncIterable<Uint8Array>
}

/** An archive that has been looked through once, from its first member to the last. */
export interface OpenedZip {
  /** Of all members that are files. */
  paths: ReadonlySet<string>
  /** Unpacked. */
  bytes: number
  members(): AsyncGenerator<ZipMember, void>
  close(): void
}

const mostFolders = 32
const longestPath = 1024
/** What the names of all members may come to: they are compared with each other. */
const mostNameBytes = 64 * 1024 ** 2
const inputBytes = 'JETTY_RUNBOOK_INPUT_BYTES'
const kindMask = 0o170000
const kindOfFile = 0o100000
const kindOfFolder = 0o040000

/** Of a name that somebody chose, as much as fits into a sentence. */
const quoted = (name: string): string => JSON.stringify(name.replace(unwanted, '').slice(0, 200))

const refuse = (archive: string, what: string, cause?: unknown): AppError =>
  new AppError('invalid', `${quoted(archive)} cannot be unpacked: ${what}`, {
    hint: 'Pack it again without that, or send the files one by one.',
    ...(cause === undefined ? {} : { cause }),
  })

const refuseSize = (archive: string, what: string, variable: string): AppError =>
  new AppError('invalid', `${quoted(archive)} cannot be unpacked: ${what}`, {
    hint: `Send less, or raise ${variable}.`,
  })

const unixMode = (entry: Entry): number => entry.externalFileAttributes >>> 16
const isFolder = (entry: Entry): boolean =>
  entry.fileName.endsWith('/') || (unixMode(entry) & kindMask) === kindOfFolder

/** Why a member cannot be unpacked; undefined where it can. */
const faultOf = (entry: Entry): string | undefined => {
  const kind = unixMode(entry) & kindMask
  if (entry.isEncrypted()) return 'is encrypted'
  if (kind === 0o120000) return 'is a symbolic link'
  if (kind !== 0 && kind !== kindOfFile && kind !== kindOfFolder) return 'is neither a file nor a folder'
  if (!entry.canDecodeFileData())
    return `is compressed in a way that is not known here (method ${entry.compressionMethod})`
  return undefined
}

/** Where a member goes; throws where that is nowhere. The reader has refused `..`, drive letters and leading slashes. */
const pathOf = (archive: string, entry: Entry): string => {
  if (entry.fileName.includes('\0')) throw refuse(archive, `the name of its member ${quoted(entry.fileName)} has a NUL`)
  const segments = entry.fileName
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.')
    .map(sanitizeSegment)
  const path = segments.join('/')
  if (segments.length > mostFolders || Buffer.byteLength(path) > longestPath)
    throw refuse(archive, `the path of its member ${quoted(path)} is too long`)
  return path
}

/** Every folder that a path goes through: `a/b/c` has `a` and `a/b`. */
export const foldersOf = (path: string): string[] =>
  [...path.matchAll(/\//g)].map((slash) => path.slice(0, slash.index))

/** Members are checked one after the other, each against those before it. */
const makeCensus = (archive: string, limits: UnzipLimits) => {
  const paths = new Set<string>()
  const folders = new Set<string>()
  let bytes = 0
  let nameBytes = 0
  return {
    paths,
    bytes: () => bytes,
    add(entry: Entry): void {
      const path = pathOf(archive, entry)
      const fault = faultOf(entry)
      if (fault) throw refuse(archive, `its member ${quoted(entry.fileName)} ${fault}`)
      nameBytes += Buffer.byteLength(path)
      if (nameBytes > mostNameBytes) throw refuse(archive, 'the names of its members are too long')
      if (isFolder(entry) || path === '') return
      bytes += entry.uncompressedSize
      if (bytes > limits.bytes)
        throw refuseSize(
          archive,
          `with its member ${quoted(path)} it comes to more than ${byteSize(limits.bytes)}`,
          inputBytes,
        )
      const above = foldersOf(path)
      if (paths.has(path)) throw refuse(archive, `it has a member ${quoted(path)} twice`)
      if (folders.has(path) || above.some((folder) => paths.has(folder)))
        throw refuse(archive, `its member ${quoted(path)} stands where it has a folder`)
      paths.add(path)
      for (const folder of above) folders.add(folder)
    },
  }
}

const openArchive = async (path: string): Promise<ZipFile> => {
  // Loaded with the first archive: few runbooks have one.
  const { openPromise } = await import('yauzl')
  return openPromise(path, { autoClose: false, lazyEntries: true })
}

/** The entries of an archive, read anew from the disk; what is wrong with it is `invalid`. */
async function* entriesOf(zip: ZipFile, archive: string): AsyncGenerator<Entry, void> {
  const entries = zip.eachEntry()
  for (;;) {
    const next = await entries.next().catch((error: unknown) => {
      throw refuse(archive, messageOf(error).replace(unwanted, '').slice(0, 300), error)
    })
    if (next.done) return
    yield next.value
  }
}

async function* bytesOf(zip: ZipFile, archive: string, entry: Entry): AsyncGenerator<Uint8Array, void> {
  let sum = 0
  try {
    for await (const chunk of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) {
      sum = crc32(chunk, sum)
      yield chunk
    }
  } catch (error) {
    throw refuse(archive, `its member ${quoted(entry.fileName)} is broken (${messageOf(error)})`, error)
  }
  if (sum !== entry.crc32) throw refuse(archive, `its member ${quoted(entry.fileName)} is broken (wrong checksum)`)
}

/**
 * Opens a ZIP archive of this machine and looks through all of it before anything is unpacked: everything is within the
 * limits, nothing leads out of the folder it is unpacked in, and no two members want the same place. Throws `invalid`,
 * which names the archive, as `name`, and the member.
 */
export const openZip = async (path: string, name: string, limits: UnzipLimits): Promise<OpenedZip> => {
  const first = await openArchive(path).catch((error: unknown) => {
    throw refuse(name, `it is no ZIP archive, or not all of it is there (${messageOf(error)})`, error)
  })
  const census = makeCensus(name, limits)
  try {
    // No more than it says are read, so that it need not be read to be refused: half a million members take seconds.
    if (first.entryCount > limits.files)
      throw refuseSize(name, `it has more than ${limits.files} members`, 'JETTY_SANDBOX_FILES')
    for await (const entry of entriesOf(first, name)) census.add(entry)
  } finally {
    first.close()
  }
  // Read a second time, so that the members of a large archive are not held in memory.
  const zip = await openArchive(path)
  return {
    paths: census.paths,
    bytes: census.bytes(),
    async *members() {
      for await (const entry of entriesOf(zip, name)) {
        const memberPath = pathOf(name, entry)
        if (!census.paths.has(memberPath) || isFolder(entry)) continue
        const mode = unixMode(entry) & 0o111 ? 0o755 : 0o644
        yield { path: memberPath, size: entry.uncompressedSize, mode, open: () => bytesOf(zip, name, entry) }
      }
    },
    close: () => zip.close(),
  }
}
