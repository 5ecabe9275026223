import { randomBytes } from 'node:crypto'
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/log.ts'
import { walkResults } from '../../isolation/files/walk-results.ts'
import { isOwnerGone, keepTouched, ownerIn, stopTouching, thisProcess } from '../../isolation/owner.ts'
import { type InstallDeps, installPackages, type PackageSet, packageFolder } from './install-packages.ts'

/** Names the process that makes a draft, as long as it does. */
const ownerFile = 'owner.json'
/** A draft that names no owner is left alone for so long: it is about to get one, or to be moved to its place. */
const namelessMs = 3600_000

const unique = (): string => randomBytes(4).toString('hex')

/** A folder that is made beside its place, and moved there when it is complete. */
export const draftFor = (place: string) => {
  const path = `${place}.draft-${process.pid}-${unique()}`
  const owner = join(path, ownerFile)
  return {
    path,
    /** Makes the folder. */
    begin(): void {
      mkdirSync(path) // synchronous, so that a crash between the two is unlikely
      writeFileSync(owner, `${JSON.stringify(thisProcess())}\n`)
      keepTouched(owner)
    },
    async moveToPlace(): Promise<void> {
      await rm(owner)
      await rename(path, place).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error // another process was faster
      })
    },
    /** Removes what was not moved. */
    async end(): Promise<void> {
      stopTouching(owner)
      await rm(path, { recursive: true, force: true })
    },
  }
}

/** Removes a complete folder, so that half of it is never found in its place. */
export const removeFromPlace = async (place: string): Promise<void> => {
  const gone = `${place}.gone-${unique()}`
  await rename(place, gone)
  await rm(gone, { recursive: true, force: true })
}

/** Whether nobody works on a draft any more. */
const isLeft = async (draft: string): Promise<boolean> => {
  const path = join(draft, ownerFile)
  const owner = ownerIn(path)
  if (owner) return isOwnerGone(path, owner)
  const found = await stat(draft).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > namelessMs
}

/** Removes what processes left beside the places in a folder that died while they made or removed something. */
export const removeLeftDrafts = async (folder: string, log: Pick<Logger, 'info'>): Promise<void> => {
  for (const name of await readdir(folder).catch((): string[] => [])) {
    const path = join(folder, name)
    if (!name.includes('.gone-') && !(name.includes('.draft-') && (await isLeft(path)))) continue
    await rm(path, { recursive: true, force: true })
    log.info({ packages: name }, 'packages were removed that a process had left half done')
  }
}

export interface PackageStore {
  /** Returns the host folder with these packages; installs them first if they are not here. */
  ensure(set: PackageSet, signal: AbortSignal): Promise<string>
  /** Removes what processes left that died while they installed or removed packages. */
  reap(): Promise<void>
}

interface PackageStoreOptions extends InstallDeps {
  /** Folder of all sets. */
  folder: string
  /** Size of all sets; beyond, those are removed that were not used for the longest time. */
  mostBytes: number
  log: Pick<Logger, 'info' | 'warn'>
}

/** Holds the size of a set; its time is that of the last use. A set without it is incomplete. */
const marker = 'bytes'
const mostFiles = 50_000
const mostSetBytes = 1024 ** 3
/** A set that was used within this time may be in a sandbox, and is not removed. */
const inUseMs = 25 * 3600_000

/** Makes the folders above a file, readable for every user whatever the umask is. */
const openFolders = (root: string) => {
  const made = new Set<string>()
  const make = async (folder: string): Promise<void> => {
    if (made.has(folder)) return
    if (folder !== root) await make(dirname(folder))
    await mkdir(folder, { recursive: true })
    await chmod(folder, 0o755)
    made.add(folder)
  }
  return make
}

/** Copies a folder that strangers have filled: regular files only, readable for every user. Returns their bytes. */
const copyTree = async (from: string, to: string, signal: AbortSignal): Promise<number> => {
  const makeFolder = openFolders(to)
  await makeFolder(to)
  let bytes = 0
  for await (const found of walkResults(from, { files: mostFiles, bytes: mostSetBytes }, signal)) {
    if (found.kind === 'more' || (found.kind === 'skipped' && (found.reason === 'total' || found.reason === 'large'))) {
      throw new AppError('too_large', `The packages are too large: ${found.message}`, { hint: 'Use fewer packages.' })
    }
    if (found.kind !== 'file') continue
    const path = join(to, found.path)
    await makeFolder(dirname(path))
    await pipeline(Readable.from(found.open()), createWriteStream(path))
    await chmod(path, found.isExecutable ? 0o755 : 0o644)
    bytes += found.size
  }
  return bytes
}

const sizesIn = async (folder: string): Promise<{ name: string; bytes: number; usedMs: number }[]> => {
  const names = await readdir(folder).catch((): string[] => [])
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name, marker)
      const [text, stats] = await Promise.all([readFile(path, 'utf8'), stat(path)]).catch(() => [undefined, undefined])
      return text === undefined || !stats ? [] : [{ name, bytes: Number(text) || 0, usedMs: stats.mtimeMs }]
    }),
  )
  return found.flat()
}

/** Removes what was not used for the longest time, until the rest fits. */
const removeOld = async ({ folder, mostBytes, log }: PackageStoreOptions): Promise<void> => {
  const sets = (await sizesIn(folder)).sort((one, other) => one.usedMs - other.usedMs)
  let total = sets.reduce((sum, { bytes }) => sum + bytes, 0)
  for (const { name, bytes, usedMs } of sets) {
    if (total <= mostBytes || Date.now() - usedMs < inUseMs) return
    await removeFromPlace(join(folder, name))
    total -= bytes
    log.info({ packages: name, bytes }, 'packages of scripts were removed, as they were not used')
  }
}

const install = async (options: PackageStoreOptions, set: PackageSet, signal: AbortSignal): Promise<string> => {
  const { folder, log } = options
  const place = join(folder, set.id)
  const draft = draftFor(place)
  const begun = performance.now()
  await mkdir(folder, { recursive: true, mode: 0o755 })
  try {
    await installPackages(options, set, signal, async (made) => {
      draft.begin()
      const bytes = await copyTree(made, join(draft.path, packageFolder(set.language)), signal)
      await chmod(draft.path, 0o755)
      await writeFile(join(draft.path, marker), String(bytes))
    })
    await draft.moveToPlace()
    log.info(
      { packages: set.packages, ms: Math.round(performance.now() - begun) },
      'packages of a script were installed',
    )
    await removeOld(options).catch((error) => log.warn({ err: error }, 'old packages of scripts cannot be removed'))
    return place
  } finally {
    await draft.end()
  }
}

/** Waits for an installation, unless the signal fires first. */
const orAborted = async <T>(work: Promise<T>, signal: AbortSignal): Promise<T> => {
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
  })
  return Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', stop))
}

const isHere = async (place: string): Promise<boolean> => {
  const now = new Date()
  return utimes(join(place, marker), now, now).then(
    () => true,
    () => false,
  )
}

/** The installed packages of a folder. Scripts of one process that want the same set wait for one installation. */
export const makePackageStore = (options: PackageStoreOptions): PackageStore => {
  const underway = new Map<string, Promise<string>>()
  const share = (set: PackageSet, signal: AbortSignal): Promise<string> => {
    const work = underway.get(set.id) ?? install(options, set, signal).finally(() => underway.delete(set.id))
    underway.set(set.id, work)
    return work
  }
  return {
    async ensure(set, signal) {
      const place = join(options.folder, set.id)
      for (;;) {
        signal.throwIfAborted()
        if (await isHere(place)) return place
        const isMine = !underway.has(set.id)
        try {
          const work = share(set, signal)
          return await (isMine ? work : orAborted(work, signal)) // whoever installs waits until nothing is left of it
        } catch (error) {
          if (isMine || signal.aborted) throw error // the one who installed may have been cancelled: then it is tried again
        }
      }
    },
    reap: () => removeLeftDrafts(options.folder, options.log),
  }
}
