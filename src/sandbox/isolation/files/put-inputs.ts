import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Entry, ZipFile } from 'yauzl'
import { AppError, messageOf } from '../../../lib/errors.ts'
import {
  distinctFileNames,
  sanitizeFileName,
  sanitizeSegment,
  splitName,
  unwanted,
} from '../../../lib/files/file-names.ts'
import { essenceOf } from '../../../lib/files/media-type.ts'
import { byteSize } from '../../../lib/settings/byte-size.ts'
import type { FileSource } from '../../../model/file-source.ts'
import { inside } from '../../../model/runbooks/sandbox.ts'
import type { Sandbox } from '../sandbox.ts'

export interface UnzipLimits {
  /** Total unpacked bytes of all members. */
  bytes: number
  /** Number of members, and of files and folders that they become. */
  files: number
}

/** A file of an archive. Read its bytes before asking for the next member. */
interface ZipMember {
  /** Relative path with forward slashes; never leads above the archive's root. */
  path: string
  /** Unpacked size in bytes; reading never gives more. */
  size: number
  /** 0o755 for executables, else 0o644. */
  mode: number
  open(): AsyncIterable<Uint8Array>
}

/** An archive whose members have all been checked once. */
interface OpenedZip {
  /** Paths of all members that are files. */
  paths: ReadonlySet<string>
  /** Total unpacked bytes. */
  bytes: number
  members(): AsyncGenerator<ZipMember, void>
  close(): void
}

const mostFolders = 32
const longestPath = 1024
/** Limit for the total length of member names: all are compared with each other. */
const mostNameBytes = 64 * 1024 ** 2
const inputBytes = 'JETTY_RUNBOOK_INPUT_BYTES'
const kindMask = 0o170000
const kindOfFile = 0o100000
const kindOfFolder = 0o040000

/** Shortens a user-supplied name for an error message. */
const quoted = (name: string): string => JSON.stringify(name.replace(unwanted, '').slice(0, 200))

const refuse = (archive: string, what: string, cause?: unknown): AppError =>
  new AppError('invalid', `${quoted(archive)} cannot be unpacked: ${what}`, {
    hint: 'Create the archive again without it, or send the files one by one.',
    ...(cause === undefined ? {} : { cause }),
  })

const refuseSize = (archive: string, what: string, variable: string): AppError =>
  new AppError('invalid', `${quoted(archive)} cannot be unpacked: ${what}`, {
    hint: `Send less, or raise ${variable}.`,
  })

const unixMode = (entry: Entry): number => entry.externalFileAttributes >>> 16
const isFolder = (entry: Entry): boolean =>
  entry.fileName.endsWith('/') || (unixMode(entry) & kindMask) === kindOfFolder

/** Says why a member cannot be unpacked; undefined when it can. */
const faultOf = (entry: Entry): string | undefined => {
  const kind = unixMode(entry) & kindMask
  if (entry.isEncrypted()) return 'is encrypted'
  if (kind === 0o120000) return 'is a symbolic link'
  if (kind !== 0 && kind !== kindOfFile && kind !== kindOfFolder) return 'is neither a file nor a folder'
  if (!entry.canDecodeFileData())
    return `is compressed in a way that is not known here (method ${entry.compressionMethod})`
  return undefined
}

/** Validates the path of a member. The reader has already refused `..`, drive letters and leading slashes. */
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

/** Lists the parent folders of a path: `a/b/c` gives `a` and `a/b`. */
const foldersOf = (path: string): string[] => [...path.matchAll(/\//g)].map((slash) => path.slice(0, slash.index))

/** Checks members one by one, each against those before it. */
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
      if (paths.size + folders.size > limits.files)
        throw refuseSize(archive, `it has more than ${limits.files} files and folders`, 'JETTY_SANDBOX_FILES')
    },
  }
}

const openArchive = async (path: string): Promise<ZipFile> => {
  // Loaded with the first archive: most runbooks have none.
  const { openPromise } = await import('yauzl')
  return openPromise(path, { autoClose: false, lazyEntries: true })
}

/** Reads the entries of an archive from disk; throws `invalid` for a broken archive. */
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
 * Opens a local ZIP archive and checks all of it before anything is unpacked: sizes are within the limits, no path
 * leads out of the target folder, and no two members share a path. Throws `invalid`, naming the archive as `name` and
 * the member.
 */
export const openZip = async (path: string, name: string, limits: UnzipLimits): Promise<OpenedZip> => {
  const first = await openArchive(path).catch((error: unknown) => {
    throw refuse(name, `it is not a ZIP archive, or is incomplete (${messageOf(error)})`, error)
  })
  const census = makeCensus(name, limits)
  try {
    // The declared count is refused up front: counting half a million members would take seconds.
    if (first.entryCount > limits.files)
      throw refuseSize(name, `it has more than ${limits.files} members`, 'JETTY_SANDBOX_FILES')
    for await (const entry of entriesOf(first, name)) census.add(entry)
  } finally {
    first.close()
  }
  // Opened a second time, so that the members of a large archive are not all held in memory.
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

export interface InputLimits {
  /** Total bytes of all inputs: archives and their unpacked members. */
  bytes: number
  /** Total number of files, unpacked ones included. */
  files: number
}

/** Path of an input inside the sandbox. */
interface PutInput {
  asset: string
  upload: string
  /** For an archive: the number of unpacked files and their folder. */
  unpacked?: { files: number; folder: string }
}

const zipTypes = ['application/zip', 'application/x-zip-compressed']

/** Whether a file is an archive to unpack; documents that are ZIP files internally are not. */
const isArchive = (file: FileSource): boolean =>
  /\.zip$/i.test(file.name) || (zipTypes.includes(essenceOf(file.content_type)) && splitName(file.name)[1] === '')

const tooMuch = (what: string, hint: string): AppError => new AppError('invalid', what, { hint })

/** Counts the bytes as they are written and aborts above the limit, whatever size was declared. */
const makeMeter = (limits: InputLimits, signal: AbortSignal | undefined) => {
  let bytes = 0
  let files = 0
  return {
    left: () => ({ bytes: limits.bytes - bytes, files: limits.files - files }),
    addFile(): void {
      files += 1
      if (files > limits.files)
        throw tooMuch(
          `The run has more than ${limits.files} input files`,
          'Send fewer files, or raise JETTY_SANDBOX_FILES.',
        )
    },
    async *through(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
      for await (const chunk of body) {
        signal?.throwIfAborted()
        bytes += chunk.length
        if (bytes > limits.bytes)
          throw tooMuch(
            `The input files have more than ${byteSize(limits.bytes)} in total`,
            'Send less, or raise JETTY_RUNBOOK_INPUT_BYTES.',
          )
        yield chunk
      }
    },
  }
}

/** Tracks taken paths below `/app/assets`, so that a second archive does not overwrite files of the first. */
const makePlaces = () => {
  const files = new Set<string>()
  const folders = new Set<string>()
  const isTaken = (path: string) =>
    files.has(path) || folders.has(path) || foldersOf(path).some((folder) => files.has(folder))
  const take = (path: string) => {
    files.add(path)
    for (const folder of foldersOf(path)) folders.add(folder)
  }
  return {
    take,
    /** Chooses the folder to unpack into: '' when nothing collides, else a folder of its own. */
    folderFor(zip: OpenedZip, name: string): string {
      const isFree = (folder: string) => ![...zip.paths].some((path) => isTaken(folder + path))
      if (isFree('')) return ''
      const own = sanitizeFileName(splitName(name)[0])
      let folder = own
      for (let count = 2; isTaken(folder); count += 1) folder = `${own}-${count}`
      return `${folder}/`
    },
  }
}

/**
 * Copies the inputs of a runbook into its sandbox before anything runs there: each as `/app/assets/{id}.{NN}.{ext}` and
 * under its own name in `/app/uploads`; archives are also unpacked into `/app/assets`. `id` is the run's id. Throws
 * `invalid` for an archive that cannot be unpacked and for inputs above the limits.
 */
export const putInputs = async (
  sandbox: Pick<Sandbox, 'put' | 'folders'>,
  {
    id,
    files,
    limits,
    signal,
  }: { id: string; files: readonly FileSource[]; limits: InputLimits; signal?: AbortSignal },
): Promise<{ inputs: PutInput[]; warnings: string[] }> => {
  const meter = makeMeter(limits, signal)
  const places = makePlaces()
  const warnings: string[] = []
  const uploadNames = distinctFileNames(files.map((file) => file.name))
  const assetNames = files.map((file, index) => {
    const extension = splitName(sanitizeFileName(file.name))[1] || '.bin'
    return `${id}.${String(index).padStart(2, '0')}${extension}`
  })
  for (const name of assetNames) places.take(name)

  const unpack = async (file: FileSource, path: string): Promise<PutInput['unpacked']> => {
    const zip = await openZip(path, file.name, meter.left())
    try {
      const folder = places.folderFor(zip, file.name)
      if (folder !== '')
        warnings.push(
          `${file.name} has files of the same names as another input: unpacked in ${inside.assets}/${folder}`,
        )
      for await (const member of zip.members()) {
        meter.addFile()
        places.take(folder + member.path)
        await sandbox.put(`${inside.assets}/${folder}${member.path}`, meter.through(member.open()), member.mode)
      }
      return { files: zip.paths.size, folder: `${inside.assets}/${folder}`.replace(/\/$/, '') }
    } finally {
      zip.close()
    }
  }

  const inputs: PutInput[] = []
  for (const [index, file] of files.entries()) {
    const assetName = assetNames[index] as string
    const asset = `${inside.assets}/${assetName}`
    const upload = `${inside.uploads}/${uploadNames[index]}`
    meter.addFile()
    await sandbox.put(asset, meter.through(file.open()))
    // A source can be read only once: the second copy is read back from the first, which nothing has touched yet.
    const path = join(sandbox.folders.app, 'assets', assetName)
    await sandbox.put(upload, createReadStream(path))
    const unpacked = isArchive(file) ? await unpack(file, path) : undefined
    inputs.push({ asset, upload, ...(unpacked && { unpacked }) })
  }
  return { inputs, warnings }
}
