import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../../../lib/log.ts'
import { isOwnerGone, keepTouched, ownerIn, stopTouching, thisProcess } from '../../isolation/owner.ts'

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
