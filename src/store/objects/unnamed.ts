import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
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

const namesIn = async (folder: string): Promise<string[]> => (await readdir(folder).catch(orMissing)) ?? []

/**
 * Looks at one part of a store for objects that no row names: what a crash between bytes and row has left. An object that
 * is a day old is set aside; it can be opened there as before, and comes back when a row names it after all, however late.
 * After some days aside it is removed. Whoever does the same at the same time, or is killed in the middle, does no harm.
 * What is older than `sinceMs`, when the database began to use the folder, stays.
 */
export const sweepUnnamed = async (
  places: StorePlaces,
  sinceMs: number,
  { part, days, named }: UnnamedSweep,
): Promise<Swept> => {
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
