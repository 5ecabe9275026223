import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { throwFailed } from './removal.ts'

/** Number of parts of a store: the first two hex digits of an id. */
export const partsOfStore = 256

export interface UnnamedSweep {
  /** Index of the part to sweep, from 0. */
  part: number
  /** Days between setting an object aside and removing it. */
  days: number
  /** Returns which of these ids the database refers to. */
  named(ids: string[]): Promise<Set<string>>
}

export interface Swept {
  setAside: number
  restored: number
  removed: number
}

/** Folders of a store: its objects, and those set aside. */
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
 * Sweeps one part of a store for orphaned objects: those that a crash left between writing bytes and writing the row.
 * An orphan older than a day is set aside; it can still be opened there, and moves back when a row refers to it after
 * all. After some days it is removed. Concurrent sweeps and kills are harmless. Objects older than `sinceMs`, when the
 * database began to use the folder, stay.
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
      await utimes(path, now, now) // touched before the move: if killed in between, it only waits a day longer
      await rename(path, places.asideOf(id))
      swept.setAside += 1
    })
  }
  throwFailed(failed)
  return swept
}
