import { createWriteStream, mkdirSync, readdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { chmod, lchown, mkdir, open, rm, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError, messageOf } from '../lib/errors.ts'
import { exhaustionRemedy } from '../lib/exhaustion.ts'
import { inside } from '../model/runbooks/sandbox.ts'
import { removeTree } from './files/remove-tree.ts'
import { isOwnerGone, keepTouched, ownerIn, stopTouching, thisProcess } from './owner.ts'
import type { Sandbox } from './sandbox.ts'

/** The folder of one sandbox on this machine, and what of it can be said without knowing what runs in it. */
export interface RunFolder extends Pick<Sandbox, 'folders' | 'put' | 'own'> {
  path: string
  /** No more files from here on: what is there now belongs to the inside. */
  close(): void
  remove(): Promise<void>
}

export interface RunFolderOptions {
  /** In which those of all sandboxes stand. */
  parent: string
  id: string
  /** Whom the inside is on this machine; undefined where that is the user of this process. */
  uid?: number | undefined
  /** Files of the platform's own for the inside, read-only, by their names below `etc`. */
  etc?: Readonly<Record<string, string>>
}

const ownerFile = 'owner.json'

/** Names the process that a run folder belongs to. */
export const ownerFileOf = (path: string): string => join(path, ownerFile)

const longestSocketPath = 107 // bytes, as Linux has it
const socketName = '/gateway.sock'

/** A path of the inside as one below a folder of this machine; undefined for what lies in neither. */
const placeOf = (path: string, folders: { app: string; home: string }): string | undefined => {
  const clean = posix.normalize(path)
  if (clean.includes('\0')) return undefined
  if (clean.startsWith(`${inside.app}/`)) return join(folders.app, clean.slice(inside.app.length))
  if (clean.startsWith(`${inside.home}/`)) return join(folders.home, clean.slice(inside.home.length))
  return undefined
}

/** What the disk says no to is the sandbox's trouble; any other error is what it is. */
const asUnavailable = (error: unknown, what: string): unknown => {
  const { code } = error as NodeJS.ErrnoException
  if (error instanceof AppError || code === undefined) return error
  const wanted = code === 'ENOSPC' ? 'Make room on its disk' : 'Let the server write there'
  const hint = exhaustionRemedy(code) ?? `${wanted}, or set JETTY_SANDBOX_DIR to another folder.`
  return new AppError('sandbox_unavailable', `${what}: ${messageOf(error)}`, { hint, cause: error })
}

export const makeRunFolder = async (options: RunFolderOptions): Promise<RunFolder> => {
  const path = join(options.parent, options.id)
  try {
    return await furnished(options, path)
  } catch (error) {
    const told = asUnavailable(error, `No sandbox can be made in ${options.parent}`)
    if (told === error) throw error
    await removeTree(path).catch(() => {})
    stopTouching(join(path, ownerFile)) // what is left of it is removed by the next who looks
    throw told
  }
}

const furnished = async ({ parent, id, uid, etc = {} }: RunFolderOptions, path: string): Promise<RunFolder> => {
  if (!/^[a-z0-9][a-z0-9-]{0,99}$/.test(id)) throw new TypeError(`a sandbox cannot be called ${id}`)
  await mkdir(parent, { recursive: true, mode: 0o700 })
  try {
    // In one go, so that hardly anybody dies between the two. The inside passes through it, to what belongs to it.
    mkdirSync(path, { mode: uid === undefined ? 0o700 : 0o711 })
    writeFileSync(join(path, ownerFile), `${JSON.stringify(thisProcess())}\n`, { mode: 0o600 })
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST'
    if (!isThere) removeEmpty(path)
    throw isThere ? new AppError('conflict', `There is a sandbox ${id} already`) : error
  }
  keepTouched(join(path, ownerFile))
  if (uid !== undefined) await chmod(path, 0o711) // whatever the umask is

  const own = async (target: string): Promise<void> => {
    if (uid !== undefined) await lchown(target, uid, uid)
  }
  const folders = { app: join(path, 'app'), home: join(path, 'home'), gateway: join(path, 'gateway') }
  for (const folder of [folders.app, folders.home]) {
    await mkdir(folder, { mode: 0o700 })
    await own(folder)
  }
  // Runbooks write there without making them first.
  for (const name of ['results', 'assets', 'uploads']) {
    const folder = join(folders.app, name)
    await mkdir(folder, { mode: 0o755 })
    await own(folder)
  }
  await mkdir(folders.gateway, { mode: 0o711 })
  await mkdir(join(path, 'etc'), { mode: 0o755 })
  if (uid !== undefined) await Promise.all([chmod(folders.gateway, 0o711), chmod(join(path, 'etc'), 0o755)])
  await writeEtc(path, etc)
  // A socket is listened to by a path that may be short only: the descriptor of a folder has a short one.
  const isLong = Buffer.byteLength(folders.gateway + socketName) > longestSocketPath
  const handle = isLong ? await open(folders.gateway, 'r') : undefined
  if (handle) folders.gateway = `/proc/self/fd/${handle.fd}`

  let isClosed = false

  const makeParents = async (root: string, folder: string): Promise<void> => {
    if (folder === root) return
    await makeParents(root, dirname(folder))
    try {
      await mkdir(folder, { mode: 0o755 })
      await own(folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }

  return {
    path,
    folders,
    own,
    async put(insidePath, body, mode = 0o644) {
      const target = placeOf(insidePath, folders)
      if (isClosed || target === undefined) throw new TypeError(`nothing can be put at ${insidePath}`)
      try {
        await makeParents(target.startsWith(`${folders.app}/`) ? folders.app : folders.home, dirname(target))
        if (typeof body === 'string') await writeFile(target, body, { mode })
        else await pipeline(Readable.from(body), createWriteStream(target, { mode }))
        await chmod(target, mode)
        await own(target)
      } catch (error) {
        throw asUnavailable(error, `${insidePath} cannot be put into the sandbox`)
      }
    },
    close() {
      isClosed = true
    },
    async remove() {
      await handle?.close()
      try {
        await removeRunFolder(path)
      } finally {
        stopTouching(join(path, ownerFile))
      }
    },
  }
}

/** Removes a folder that holds nothing but a half of what says whose it is, for which nothing has to be opened. */
const removeEmpty = (path: string): void => {
  try {
    rmSync(join(path, ownerFile), { force: true })
    rmdirSync(path)
  } catch {
    // it is removed in a minute by whoever looks then
  }
}

/** What says whose it is goes last: of a half that is left behind it can still be told. */
export const removeRunFolder = async (path: string): Promise<void> => {
  const names = namesIn(path).filter((name) => name !== ownerFile)
  await removeTree(...names.map((name) => join(path, name)))
  await rm(path, { recursive: true, force: true })
}

const writeEtc = async (folder: string, files: Readonly<Record<string, string>>): Promise<void> => {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, 'etc', name)
    await writeFile(path, text, { mode: 0o644 })
    await chmod(path, 0o644)
  }
}

/** The run folders below a folder whose owner is gone, or died before it could say whose they are. */
export const orphanedFolders = async (parent: string): Promise<{ id: string; path: string }[]> => {
  const found = await Promise.all(
    namesIn(parent).map(async (id) => {
      const path = join(parent, id)
      const owner = ownerIn(join(path, ownerFile))
      const isOrphan = owner ? await isOwnerGone(join(path, ownerFile), owner) : isOlderThan(path, namedWithinMs)
      return isOrphan ? [{ id, path }] : []
    }),
  )
  return found.flat()
}

/** From the making of a folder until it says whose it is. */
const namedWithinMs = 60_000

const isOlderThan = (path: string, ms: number): boolean => {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && Date.now() - stat.mtimeMs > ms
}

const namesIn = (parent: string): string[] => {
  try {
    return readdirSync(parent)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new AppError('sandbox_unavailable', `${parent} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}
