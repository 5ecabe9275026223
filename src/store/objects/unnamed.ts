import { appendFile, mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { throwFailed } from './objects.ts'

/** So many parts a store has: the first two hex digits of an id. */
export const partsOfStore = 256

export interface UnnamedSweep {
  /** Which part is looked at, from 0. */
  part: number
  /** How long an object that was set aside stays before it is removed. */
  days: number
  /** Which of these ids the database names. */
  named(ids: string[]): Promise<Set<string>>
}

export interface Swept {
  setAside: number
  restored: number
  removed: number
}

/** Where the objects of a store are, and those that were set aside. */
export interface StorePlaces {
  root: string
  aside: string
  /** The file that says which databases have had this folder. */
  databases: string
  isId(name: string): boolean
  pathOf(id: string): string
  asideOf(id: string): string
}

const dayMs = 86_400_000
const askedAtOnce = 1000

const missing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'
const orMissing = (error: unknown): undefined => {
  if (missing(error)) return undefined
  throw error
}

const readDatabases = async (file: string): Promise<{ id: string; sinceMs: number }[]> => {
  const text = (await readFile(file, 'utf8').catch(orMissing)) ?? ''
  return text
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([id, since]) => id && since)
    .map(([id = '', since = '']) => ({ id, sinceMs: Date.parse(since) }))
}

/** Notes that this database has this folder, if that was not noted. Several processes may do so at the same time. */
export const noteDatabase = async (file: string, database: string): Promise<void> => {
  if ((await readDatabases(file)).some(({ id }) => id === database)) return
  await appendFile(file, `${database} ${new Date().toISOString()}\n`, { mode: 0o600, flush: true })
}

/**
 * Since when this database alone has had the folder; undefined where another one has had it too: what that one names
 * nobody knows here.
 */
const aloneSince = async (file: string, database: string): Promise<number | undefined> => {
  const noted = await readDatabases(file)
  return noted.length > 0 && noted.every(({ id, sinceMs }) => id === database && Number.isFinite(sinceMs))
    ? Math.max(...noted.map(({ sinceMs }) => sinceMs))
    : undefined
}

const namesIn = async (folder: string): Promise<string[]> => (await readdir(folder).catch(orMissing)) ?? []

/**
 * Looks at one part of a store for objects that no row names: what a crash between bytes and row has left. An object that
 * is a day old is set aside; it can be opened there as before, and comes back when a row names it after all, however late.
 * After some days aside it is removed. Whoever does the same at the same time, or is killed in the middle, does no harm.
 * Undefined where the folder is not this database's alone.
 */
export const sweepUnnamed = async (
  places: StorePlaces,
  database: string,
  { part, days, named }: UnnamedSweep,
): Promise<Swept | undefined> => {
  const sinceMs = await aloneSince(places.databases, database)
  if (sinceMs === undefined) return undefined
  const swept: Swept = { setAside: 0, restored: 0, removed: 0 }
  const failed: { id: string; error: unknown }[] = []
  const name = part.toString(16).padStart(2, '0')

  const each = async (folder: string, look: (id: string, isNamed: boolean) => Promise<void>): Promise<void> => {
    const ids = (await namesIn(folder)).filter(places.isId)
    for (let at = 0; at < ids.length; at += askedAtOnce) {
      const some = ids.slice(at, at + askedAtOnce)
      const known = await named(some)
      for (const id of some) {
        await look(id, known.has(id)).catch((error) => {
          if (!missing(error)) failed.push({ id, error }) // missing: another process has moved or deleted it
        })
      }
    }
  }

  await each(join(places.aside, name), async (id, isNamed) => {
    const path = places.asideOf(id)
    if (isNamed) {
      await mkdir(dirname(places.pathOf(id)), { recursive: true, mode: 0o700 })
      await rename(path, places.pathOf(id))
      swept.restored += 1
    } else if ((await stat(path)).mtimeMs < Date.now() - days * dayMs) {
      await rm(path)
      swept.removed += 1
    }
  })

  for (const leaf of await namesIn(join(places.root, name))) {
    await each(join(places.root, name, leaf), async (id, isNamed) => {
      if (isNamed) return
      const path = places.pathOf(id)
      const { mtimeMs } = await stat(path)
      if (mtimeMs <= sinceMs || mtimeMs > Date.now() - dayMs) return
      await mkdir(dirname(places.asideOf(id)), { recursive: true, mode: 0o700 })
      const now = new Date()
      await utimes(path, now, now) // before it is moved: killed in between, it only waits a day longer
      await rename(path, places.asideOf(id))
      swept.setAside += 1
    })
  }
  throwFailed(failed)
  return swept
}
