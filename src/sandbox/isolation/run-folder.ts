import {
  chmodSync,
  createWriteStream,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { chmod, mkdir, open, rm, rmdir, unlink } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError, messageOf } from '../../lib/errors.ts'
import { exhaustionRemedy } from '../../lib/exhaustion.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { smallTree } from './files/small-tree.ts'
import { isOwnerGone, keepTouched, ownerIn, stopTouching, thisProcess } from './owner.ts'
import { runTool } from './programs/run-tool.ts'
import type { Sandbox } from './sandbox.ts'

const run = async (file: string, args: readonly string[]): Promise<void> => {
  const { code, stderr } = await runTool(file, args)
  if (code !== 0) throw new Error(`${file}: ${stderr.slice(0, 1000)}`)
}

/**
 * Removes a small folder without a process; false when it is larger, or something is in the way. Each removal leaves the
 * thread: ext4 waits for its journal, a millisecond a folder.
 */
const removeSmall = async (folder: string): Promise<boolean> => {
  try {
    for (const { path, stats } of smallTree(folder)) {
      await (stats.isDirectory() ? rmdir(path) : unlink(path))
    }
    await rmdir(folder)
    return true
  } catch {
    return lstatSync(folder, { throwIfNoEntry: false }) === undefined
  }
}

/**
 * Removes folders with hostile content. Node's `rm` works with whole paths and fails where they exceed the system's
 * limit; for a million files it is also several times slower, and blocks the server.
 */
export const removeTree = async (...folders: string[]): Promise<void> => {
  const left: string[] = []
  for (const folder of folders) if (!(await removeSmall(folder))) left.push(folder)
  if (left.length === 0) return
  try {
    await run('rm', ['-rf', '--', ...left])
  } catch {
    // opens folders that their owner has closed; follows no link
    await run('chmod', ['-R', 'u+rwX', '--', ...left]).catch(() => {})
    await run('rm', ['-rf', '--', ...left])
  }
}

/** The host folder of one sandbox, independent of the sandbox's kind. */
export interface RunFolder extends Pick<Sandbox, 'folders' | 'put' | 'own'> {
  path: string
  /** Accepts no more files from here on: the content now belongs to the command. */
  close(): void
  remove(): Promise<void>
}

interface RunFolderOptions {
  /** Parent folder of all run folders. */
  parent: string
  id: string
  /** Host user id of the sandbox; undefined when it is the server's user. */
  uid?: number | undefined
  /** Read-only files of the platform for the sandbox, by name below `etc`. */
  etc?: Readonly<Record<string, string>>
}

const ownerFile = 'owner.json'

/** Path of the file that names the owner of a run folder. */
export const ownerFileOf = (path: string): string => join(path, ownerFile)

/** Characters up to which a text is written at once. */
const smallText = 64 * 1024

const longestSocketPath = 107 // bytes, the limit of Linux
const socketName = '/gateway.sock'

/** Translates a path inside to a host path; undefined outside of `/app` and the home folder. */
const placeOf = (path: string, folders: { app: string; home: string }): string | undefined => {
  const clean = posix.normalize(path)
  if (clean.includes('\0')) return undefined
  if (clean.startsWith(`${inside.app}/`)) return join(folders.app, clean.slice(inside.app.length))
  if (clean.startsWith(`${inside.home}/`)) return join(folders.home, clean.slice(inside.home.length))
  return undefined
}

/** Turns disk errors into `sandbox_unavailable`; other errors stay as they are. */
const asUnavailable = (error: unknown, what: string): unknown => {
  const { code } = error as NodeJS.ErrnoException
  if (error instanceof AppError || code === undefined) return error
  const wanted = code === 'ENOSPC' ? 'Free space on its disk' : 'Make it writable for the server'
  const hint = exhaustionRemedy(code) ?? `${wanted}, or set JETTY_SANDBOX_DIR to another folder.`
  return new AppError('sandbox_unavailable', `${what}: ${messageOf(error)}`, { hint, cause: error })
}

export const makeRunFolder = async (options: RunFolderOptions): Promise<RunFolder> => {
  const path = join(options.parent, options.id)
  try {
    return await furnished(options, path)
  } catch (error) {
    const told = asUnavailable(error, `Sandboxes cannot be created in ${options.parent}`)
    if (told === error) throw error
    await removeTree(path).catch(() => {})
    stopTouching(join(path, ownerFile)) // the reaper removes the rest
    throw told
  }
}

/** Makes the folder itself, with the file that names this process as its owner. */
const claimFolder = async ({ parent, id, uid }: RunFolderOptions, path: string): Promise<void> => {
  if (!/^[a-z0-9][a-z0-9-]{0,99}$/.test(id)) throw new TypeError(`a sandbox cannot be called ${id}`)
  await mkdir(parent, { recursive: true, mode: 0o700 })
  try {
    // Synchronous, so that a crash between the two is unlikely. The sandbox's user may traverse the folder.
    mkdirSync(path, { mode: uid === undefined ? 0o700 : 0o711 })
    writeFileSync(join(path, ownerFile), `${JSON.stringify(thisProcess())}\n`, { mode: 0o600 })
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST'
    if (!isThere) removeEmpty(path)
    throw isThere ? new AppError('conflict', `The sandbox ${id} already exists`) : error
  }
  keepTouched(join(path, ownerFile))
  if (uid !== undefined) await chmod(path, 0o711) // independent of the umask
}

/**
 * Makes the folders of a sandbox that the commands see. Each of these calls takes some microseconds, and many times that
 * over the threads of the pool.
 */
const makeFolders = (
  path: string,
  { uid, etc = {} }: Pick<RunFolderOptions, 'uid' | 'etc'>,
  own: (target: string) => void,
): RunFolder['folders'] => {
  const folders = { app: join(path, 'app'), home: join(path, 'home'), gateway: join(path, 'gateway') }
  for (const folder of [folders.app, folders.home]) {
    mkdirSync(folder, { mode: 0o700 })
    own(folder)
  }
  // Runbooks write there without creating the folders first.
  for (const name of ['results', 'assets', 'uploads']) {
    const folder = join(folders.app, name)
    mkdirSync(folder, { mode: 0o755 })
    own(folder)
  }
  const ofEtc = join(path, 'etc')
  mkdirSync(folders.gateway, { mode: 0o711 })
  mkdirSync(ofEtc, { mode: 0o755 })
  if (uid !== undefined) {
    chmodSync(folders.gateway, 0o711)
    chmodSync(ofEtc, 0o755)
  }
  for (const [name, text] of Object.entries(etc)) writeText(join(ofEtc, name), text, 0o644)
  return folders
}

/** Writes a file with a mode that does not depend on the umask. */
const writeText = (path: string, text: string, mode: number): void => {
  writeFileSync(path, text, { mode })
  chmodSync(path, mode)
}

const furnished = async (options: RunFolderOptions, path: string): Promise<RunFolder> => {
  const { uid } = options
  await claimFolder(options, path)
  const own = (target: string): void => {
    if (uid !== undefined) lchownSync(target, uid, uid)
  }
  const folders = makeFolders(path, options, own)
  // Socket paths are limited to 107 bytes: a folder's descriptor gives a shorter path.
  const isLong = Buffer.byteLength(folders.gateway + socketName) > longestSocketPath
  const handle = isLong ? await open(folders.gateway, 'r') : undefined
  if (handle) folders.gateway = `/proc/self/fd/${handle.fd}`

  let isClosed = false

  const makeParents = async (root: string, folder: string): Promise<void> => {
    if (folder === root) return
    await makeParents(root, dirname(folder))
    try {
      await mkdir(folder, { mode: 0o755 })
      own(folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }

  return {
    path,
    folders,
    own: async (target) => own(target),
    async put(insidePath, body, mode = 0o644) {
      const target = placeOf(insidePath, folders)
      if (isClosed || target === undefined) throw new TypeError(`nothing can be put at ${insidePath}`)
      try {
        await makeParents(target.startsWith(`${folders.app}/`) ? folders.app : folders.home, dirname(target))
        if (typeof body === 'string' && body.length < smallText) writeText(target, body, mode)
        else {
          const bytes = typeof body === 'string' ? [Buffer.from(body)] : body
          await pipeline(Readable.from(bytes), createWriteStream(target, { mode }))
          await chmod(target, mode)
        }
        own(target)
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

/** Removes a folder that holds at most a half-written owner file. */
const removeEmpty = (path: string): void => {
  try {
    rmSync(join(path, ownerFile), { force: true })
    rmdirSync(path)
  } catch {
    // The reaper removes it a minute later.
  }
}

/** Removes a run folder, the owner file last: a half-removed folder still names its owner. */
export const removeRunFolder = async (path: string): Promise<void> => {
  const names = namesIn(path).filter((name) => name !== ownerFile)
  await removeTree(...names.map((name) => join(path, name)))
  await rm(path, { recursive: true, force: true })
}

/** Finds run folders whose owner is gone, or died before writing its owner file. */
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

/** Longest time between the creation of a folder and its owner file. */
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
