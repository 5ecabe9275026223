import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AppError } from '../../lib/errors.ts'
import { lockDataFolder } from '../../store/database/data-folder-lock.ts'
import { isObjectFolder, type ObjectFolder, openObjectFolder } from './object-folder.ts'
import { type OpenedBackup, openBackup } from './open-backup.ts'
import { countRows, visitBackup } from './visit-backup.ts'

const ending = '.backup'

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() ?? false

/** Whether a path means a folder of backups: one that is there, or a name that ends with a slash. */
export const meansFolder = async (path: string): Promise<boolean> => path.endsWith('/') || isFolder(path)

/** A name for the next backup of a folder; names sort by time. */
export const nextBackup = (folder: string): string => {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  return join(folder, `${time}-${randomBytes(2).toString('hex')}${ending}`)
}

const draftOfBackup = /^\d{8}T\d{6}Z-[0-9a-f]{4}\.backup\.\d+\.part$/
const draftOfObject = /^[0-9a-f-]{36}\.\d+\.part$/

/** Removes what killed backups into a folder have left half written. Call it under the lock. */
export const removeDrafts = async (folder: string): Promise<void> => {
  const remove = async (path: string, pattern: RegExp) => {
    for (const name of await readdir(path)) if (pattern.test(name)) await rm(join(path, name), { force: true })
  }
  await remove(folder, draftOfBackup)
  const objects = join(folder, 'objects')
  for (const part of await readdir(objects).catch(() => [])) await remove(join(objects, part), draftOfObject)
}

const backupsIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith(ending)).sort()

/** Makes this process the only one that changes a folder of backups; returns what ends that. */
export const lockBackups = async (folder: string): Promise<() => void> => {
  try {
    return (await lockDataFolder(folder)).release
  } catch (cause) {
    throw new AppError('conflict', `Another backup into ${folder} is under way`, {
      hint: 'Wait until it has ended, or use another folder.',
      cause,
    })
  }
}

/** Opens a backup: a file, standard input (`-`), or the newest one of a folder. */
export const openBackupAt = async (path: string, passphrase: string | undefined): Promise<OpenedBackup> => {
  if (path === '-') return openBackup(process.stdin, passphrase)
  const folder = (await isFolder(path)) ? path : dirname(path)
  const objects = (await isObjectFolder(folder)) ? await openObjectFolder(folder, passphrase, false) : undefined
  if (!(await isFolder(path))) return openBackup(createReadStream(path), passphrase, objects)
  const newest = objects && (await backupsIn(path)).at(-1)
  if (newest) return openBackup(createReadStream(join(path, newest)), passphrase, objects)
  throw new AppError('invalid', `${path} has no backups`, {
    hint: 'Name a file or a folder that `jetty backup` has written.',
  })
}

/** Ids of the objects that a backup of a folder names. */
const namedBy = async (file: string, passphrase: string | undefined): Promise<Set<string>> => {
  const ids = new Set<string>()
  const nothing: ObjectFolder = {
    has: async () => true,
    put: async () => {},
    async *open() {},
    remove: async () => {},
    sync: async () => {},
    async *ids() {},
  }
  await visitBackup(await openBackup(createReadStream(file), passphrase, nothing), {
    secretKey: async () => {},
    spill: async () => {},
    table: async (_, rows) => countRows(rows),
    tablesEnd: async () => {},
    object: async (id) => void ids.add(id),
    settled: async () => {},
  })
  return ids
}

/** Removes all but the newest backups of a folder, and the objects that no other one names. */
export const pruneBackups = async (
  path: string,
  passphrase: string | undefined,
  keep: number,
): Promise<{ backups: number; objects: number }> => {
  const files = await backupsIn(path)
  const old = files.slice(0, Math.max(0, files.length - keep))
  if (old.length === 0) return { backups: 0, objects: 0 }
  const named = new Set<string>()
  // All of them can be read, or nothing is removed.
  for (const file of files.slice(old.length))
    for (const id of await namedBy(join(path, file), passphrase)) named.add(id)
  const folder = await openObjectFolder(path, passphrase, false)
  for (const file of old) await rm(join(path, basename(file)))
  let objects = 0
  for await (const id of folder.ids()) {
    if (named.has(id)) continue
    await folder.remove(id)
    objects += 1
  }
  return { backups: old.length, objects }
}
