import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from '../database/database.ts'
import { claimFolder, identifyDatabase } from '../store/installation.ts'
import { openDiskObjects } from '../store/objects/disk.ts'
import type { ObjectStore } from '../store/objects/objects.ts'
import { folderId } from '../store/objects/owner.ts'

/** Opens the folder of files. Throws where the database was used with another folder before. */
export const openObjectStore = async (database: Database, dataDir: string): Promise<ObjectStore> => {
  const folder = join(dataDir, 'files')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  await claimFolder(database, { id: folderId(folder), path: folder })
  return openDiskObjects(folder, () => identifyDatabase(database))
}
