/** Copies the bytes of files from one storage to another, with or without a running server. */

import { AppError } from '../../lib/errors.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { type StorageLocation, shownLocation } from '../../lib/settings/storage-location.ts'
import { prepareDataFolder } from '../../store/database/data-folder.ts'
import { openDatabase, patient } from '../../store/database/database.ts'
import { type CopyCounts, copyObjects } from '../../store/objects/copy-objects.ts'
import { endCopy, keepCopyPlace, readCopyPlace } from '../../store/objects/moving.ts'
import { prepareStorage } from '../object-store.ts'
import { reachDatabase } from './reach-database.ts'

export type CopyProgress = CopyCounts

export interface CopiedStorage extends CopyCounts {
  from: string
  to: string
  /** The object after which the copy continued; empty if it began with the first one. */
  resumed_after: string
  /** Everything is in the new storage, and new files go there: JETTY_STORAGE_FROM can be removed. */
  is_complete: boolean
}

interface CopyStorageOptions {
  settings: Settings
  variables: Record<string, string | undefined>
  from: StorageLocation
  to: StorageLocation
  onProgress?(counts: CopyCounts): void
  signal?: AbortSignal
  /** See `CopyJob`. */
  pageSize?: number
}

/** Copies what is missing, verifies it, and remembers after each page how far it has come. */
export const copyStorage = async (options: CopyStorageOptions): Promise<CopiedStorage> => {
  const { settings, variables, onProgress, signal, pageSize } = options
  const dataDir = prepareDataFolder(settings.dataDir)
  const { url, stop } = await reachDatabase(settings, dataDir)
  const opened = openDatabase(url, { connections: 4 })
  const database = patient(opened, signal ?? new AbortController().signal)
  try {
    const deps = { settings, variables, database, dataDir }
    const [source, target] = [prepareStorage(options.from, deps), prepareStorage(options.to, deps)]
    const [{ id: fromId }, { id: toId }] = [await source.place(), await target.place()]
    if (fromId === toId) throw sameStorage(options.from)
    const place = await readCopyPlace(database, fromId, toId)
    const unclaimed = async () => {} // the servers bind the database to a storage, not this command
    const counts = await copyObjects({
      queries: database,
      from: await source.open(unclaimed),
      to: await target.open(unclaimed),
      after: place.after,
      async onPage(after, sofar) {
        await keepCopyPlace(database, { ...place, after })
        onProgress?.(sofar)
      },
      signal,
      pageSize,
    })
    const is_complete = place.isFinal && counts.missing.length + counts.damaged.length === 0
    await endCopy(database, is_complete)
    const [from, to] = [shownLocation(options.from), shownLocation(options.to)]
    return { from, to, resumed_after: place.after, ...counts, is_complete }
  } finally {
    await opened.close()
    await stop()
  }
}

const sameStorage = (location: StorageLocation): AppError =>
  new AppError('invalid', `Source and target are the same storage, ${shownLocation(location)}`, {
    hint: 'Set JETTY_STORAGE to the new storage and JETTY_STORAGE_FROM to the old one, or use --from and --to.',
  })
