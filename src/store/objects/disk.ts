import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { AppError, messageOf } from '../../lib/errors.ts'
import { syncFolder } from '../../lib/files/sync-folder.ts'
import { checkedId, fileTooLarge, isObjectId, objectNotFound } from './object-id.ts'
import type { ObjectStore, PutOptions, StoredObject } from './objects.ts'
import { type DatabaseIdentity, lookAtOwner, type Ownership } from './owner.ts'
import { throwFailed } from './removal.ts'
import { type StorePlaces, sweepUnnamed } from './unnamed.ts'

const leftoverHours = 24

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code

/** The folder is gone, its disk was unmounted, or the server may not write there. */
const unusable = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'ESTALE'])

const folderUnusable = (folder: string, cause: unknown): AppError =>
  new AppError('storage_unavailable', `The folder ${folder} cannot be used: ${messageOf(cause)}`, {
    hint: 'Make sure that the disk is mounted there and that the server may write to it. Steps wait by themselves.',
    retryAfterSeconds: 5,
    cause,
  })

/** Translates a file system error into one that people can act on, where possible. */
export const diskError = (error: unknown, folder: string): unknown => {
  const code = codeOf(error)
  if (code !== undefined && unusable.has(code)) return folderUnusable(folder, error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AppError('storage_full', `No space left in ${folder} to store the file`, {
      hint: 'Free space on that disk, or point JETTY_DATA_DIR at a larger one, and send the file again.',
      retryAfterSeconds: 30,
      cause: error,
    })
  }
  return error
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
    if (size > maxBytes) throw fileTooLarge(maxBytes)
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

const foldersIn = (folder: string): DiskFolders => {
  const root = join(folder, 'objects')
  const aside = join(folder, 'unnamed')
  return {
    folder,
    root,
    aside,
    temporary: join(folder, 'tmp'),
    isId: isObjectId,
    pathOf: (id) => join(root, checkedId(id).slice(0, 2), id.slice(2, 4), id),
    asideOf: (id) => join(aside, checkedId(id).slice(0, 2), id),
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
  { maxBytes, id = randomUUID() }: PutOptions,
): Promise<StoredObject> => {
  const target = pathOf(id)
  const file = join(temporary, randomUUID()) // not the id: a copy that was killed may have left that behind
  const handle = await open(file, 'wx', 0o600).catch((error) => Promise.reject(diskError(error, folder)))
  try {
    let written: { size: number; sha256: string }
    try {
      written = await writeBody(handle, body instanceof Uint8Array ? [body] : body, maxBytes)
    } finally {
      await handle.close()
    }
    await moveInPlace(file, target)
    return { id, ...written }
  } catch (error) {
    await Promise.all([file, target].map((path) => rm(path, { force: true })))
    throw diskError(error, folder)
  }
}

const openObject = async (
  { folder, root, pathOf, asideOf }: DiskFolders,
  ...[id, range]: Parameters<ObjectStore['open']>
): ReturnType<ObjectStore['open']> => {
  const handle = await openAnywhere([pathOf(id), asideOf(id), pathOf(id)]).catch(async (error) => {
    if (codeOf(error) !== 'ENOENT') throw diskError(error, folder)
    await stat(root).catch((gone) => Promise.reject(diskError(gone, folder)))
    throw objectNotFound(id, error)
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

const orMissing = (error: unknown): undefined => {
  if (codeOf(error) !== 'ENOENT') throw error
  return undefined
}

const sizeOfObject = async ({ pathOf, asideOf }: DiskFolders, id: string): Promise<number | undefined> =>
  ((await stat(pathOf(id)).catch(orMissing)) ?? (await stat(asideOf(id)).catch(orMissing)))?.size

/** Writes a small file and removes it. */
const checkFolder = async ({ folder, temporary }: DiskFolders): Promise<void> => {
  const file = join(temporary, randomUUID())
  await writeFile(file, 'check').catch((error) => Promise.reject(diskError(error, folder)))
  await rm(file, { force: true })
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
    where: folder,
    isRemote: false,
    state: { ok: true, reason: null },
    put: (body, options) => putObject(folders, moveInPlace, body, options),
    open: (id, range) => openObject(folders, id, range),
    link: async () => undefined,
    sizeOf: (id) => sizeOfObject(folders, id),
    check: () => checkFolder(folders),
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
