import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { ObjectStore, StoredObject } from './objects.ts'
import { type DatabaseIdentity, lookAtOwner, type Ownership } from './owner.ts'
import { throwFailed } from './removal.ts'
import { type StorePlaces, sweepUnnamed } from './unnamed.ts'

const leftoverHours = 24
const idPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code

/** Translates a file system error into one that people can act on, where possible. */
export const diskError = (error: unknown, folder: string): unknown => {
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AppError('storage_full', `No space left in ${folder} to store the file`, {
      hint: 'Free space on that disk, or point JETTY_DATA_DIR at a larger one, and send the file again.',
      retryAfterSeconds: 30,
      cause: error,
    })
  }
  return error
}

const tooLarge = (maxBytes: number): AppError =>
  new AppError('too_large', `File too large. Maximum allowed size is ${byteSize(maxBytes)}`, {
    hint: 'Send a smaller file, or raise JETTY_MAX_UPLOAD_BYTES.',
  })

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const writeWhole = async (handle: FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written, bytes.length - written)).bytesWritten
  }
}

/** Awaits each write before reading the next chunk: this backpressure slows down a fast sender. */
const writeBody = async (handle: FileHandle, body: AsyncIterable<Uint8Array> | Uint8Array[], maxBytes: number) => {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge(maxBytes)
    hash.update(chunk)
    await writeWhole(handle, chunk)
  }
  await handle.sync()
  return { size, sha256: hash.digest('hex') }
}

/** Opens the first path that exists. */
const openAnywhere = async ([path = '', ...others]: string[]): Promise<FileHandle> => {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || others.length === 0) throw error
    return openAnywhere(others) // another process may be moving it
  }
}

/** Folders and paths of a store. Paths of ids that are none throw `not_found`. */
interface DiskFolders extends StorePlaces {
  /** The folder of the store. */
  folder: string
  /** Writes in progress, on the same file system. */
  temporary: string
}

const isId = (name: string) => idPattern.test(name)

const checked = (id: string) => {
  if (!isId(id)) throw new AppError('not_found', `No stored object has the id '${id}'`)
  return id
}

const foldersIn = (folder: string): DiskFolders => {
  const root = join(folder, 'objects')
  const aside = join(folder, 'unnamed')
  return {
    folder,
    root,
    aside,
    temporary: join(folder, 'tmp'),
    isId,
    pathOf: (id) => join(root, checked(id).slice(0, 2), id.slice(2, 4), id),
    asideOf: (id) => join(aside, checked(id).slice(0, 2), id),
  }
}

/** Makes the function that moves a written file to its place, so that it survives a power cut. */
const makeMoveInPlace = (root: string): ((from: string, target: string) => Promise<void>) => {
  // A new folder survives a power cut only after its parents are synced; its creator may not have done that yet.
  const settled = new Set<string>()
  return async (from, target) => {
    const leaf = dirname(target)
    await mkdir(leaf, { recursive: true, mode: 0o700 })
    await rename(from, target)
    await Promise.all([leaf, ...(settled.has(leaf) ? [] : [dirname(leaf), root])].map(syncFolder))
    settled.add(leaf)
  }
}

const putObject = async (
  { folder, temporary, pathOf }: DiskFolders,
  moveInPlace: (from: string, target: string) => Promise<void>,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<StoredObject> => {
  const id = randomUUID()
  const file = join(temporary, id)
  const handle = await open(file, 'wx', 0o600).catch((error) => Promise.reject(diskError(error, folder)))
  try {
    let written: { size: number; sha256: string }
    try {
      written = await writeBody(handle, body instanceof Uint8Array ? [body] : body, maxBytes)
    } finally {
      await handle.close()
    }
    await moveInPlace(file, pathOf(id))
    return { id, ...written }
  } catch (error) {
    await Promise.all([file, pathOf(id)].map((path) => rm(path, { force: true })))
    throw diskError(error, folder)
  }
}

const openObject = async (
  { pathOf, asideOf }: DiskFolders,
  ...[id, range]: Parameters<ObjectStore['open']>
): ReturnType<ObjectStore['open']> => {
  const handle = await openAnywhere([pathOf(id), asideOf(id), pathOf(id)]).catch((error) => {
    if (codeOf(error) !== 'ENOENT') throw error
    throw new AppError('not_found', `No stored object has the id '${id}'`, { cause: error })
  })
  const { size } = await handle.stat()
  const start = range?.start ?? 0
  const end = Math.min(range?.end ?? size - 1, size - 1)
  if (start > end) {
    await handle.close()
    return { stream: Readable.from([]), size }
  }
  // The stream closes the handle when it ends or is destroyed.
  const stream = handle.createReadStream({ start, end })
  return { stream, size }
}

const removeObjects = async ({ pathOf, asideOf }: DiskFolders, ids: readonly string[]): Promise<void> => {
  const failed: { id: string; error: unknown }[] = []
  for (const id of ids) {
    await Promise.all([pathOf(id), asideOf(id)].map((path) => rm(path, { force: true }))).catch((error) =>
      failed.push({ id, error }),
    )
  }
  throwFailed(failed)
}

/** Removes writes in progress whose process must have died. */
const sweepTemporary = async ({ temporary }: DiskFolders): Promise<number> => {
  const before = Date.now() - leftoverHours * 3_600_000
  let removed = 0
  const failed: { id: string; error: unknown }[] = []
  for (const name of await readdir(temporary)) {
    const file = join(temporary, name)
    const found = await stat(file).catch(() => undefined)
    if (!found || found.mtimeMs > before) continue
    await rm(file, { force: true }).then(
      () => removed++,
      (error) => failed.push({ id: name, error }),
    )
  }
  throwFailed(failed)
  return removed
}

/**
 * An object store in one folder: `objects/ab/cd/<uuid>`, `tmp` for writes in progress, and `unnamed/ab/<uuid>` for
 * objects that no row seems to refer to. `identify` reads the database's identity.
 */
export const openDiskObjects = async (
  folder: string,
  identify: () => Promise<DatabaseIdentity>,
): Promise<ObjectStore> => {
  const folders = foldersIn(folder)
  await mkdir(folders.root, { recursive: true, mode: 0o700 })
  await mkdir(folders.temporary, { recursive: true, mode: 0o700 })
  let identity = await identify()
  const look = (): Promise<Ownership> =>
    lookAtOwner(folder, identity).catch((error) => Promise.reject(diskError(error, folder)))
  await look()
  await syncFolder(folder)
  const moveInPlace = makeMoveInPlace(folders.root)
  return {
    put: (body, { maxBytes }) => putObject(folders, moveInPlace, body, maxBytes),
    open: (id, range) => openObject(folders, id, range),
    async remove(ids) {
      if ((await look()).state === 'copied') return // the database that this one was copied from may refer to them
      await removeObjects(folders, ids)
    },
    async owner() {
      identity = await identify() // a database may be promoted while this process runs
      return look()
    },
    async sweepUnnamed(sweep) {
      identity = await identify()
      const owner = await look()
      return owner.state === 'alone' ? sweepUnnamed(folders, owner.sinceMs, sweep) : undefined
    },
    sweepTemporary: () => sweepTemporary(folders),
  }
}
