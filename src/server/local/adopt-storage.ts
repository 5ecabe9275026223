/** Gives the storage of files to the database of these settings, with or without a running server. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Settings } from '../../lib/settings/config.ts'
import type { StorageLocation } from '../../lib/settings/storage-location.ts'
import { noteChange } from '../../store/collections/audit.ts'
import { prepareDataFolder } from '../../store/database/data-folder.ts'
import { openDatabase } from '../../store/database/database.ts'
import { identifyDatabase, moveClaim } from '../../store/installation.ts'
import { forgetMove } from '../../store/objects/moving.ts'
import { adoptFolder, type DatabaseIdentity, folderId, lookAtOwner, type Ownership } from '../../store/objects/owner.ts'
import { adoptBucket, bucketId, lookAtBucketOwner } from '../../store/objects/s3/notes.ts'
import { openBucket } from '../object-store.ts'
import { byOperator } from './by-operator.ts'
import { reachDatabase } from './reach-database.ts'

interface AdoptedStorage {
  /** The folder, or `s3://bucket/prefix`. */
  folder: string
  /** The former owner of the storage. */
  before: Ownership['state']
  /** The databases that used it. */
  others: string[]
}

interface Adoptable {
  name: string
  id(): Promise<string>
  owner(identity: DatabaseIdentity): Promise<Ownership>
  adopt(identity: DatabaseIdentity): Promise<void>
}

const adoptableOf = (location: StorageLocation, settings: Settings, dataDir: string): Adoptable => {
  if (location.kind === 's3') {
    const client = openBucket(location, { settings, variables: process.env })
    return {
      name: client.where,
      id: () => bucketId(client),
      owner: (identity) => lookAtBucketOwner(client, identity),
      adopt: (identity) => adoptBucket(client, identity),
    }
  }
  const folder = join(dataDir, 'files')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return {
    name: folder,
    id: async () => folderId(folder),
    owner: (identity) => lookAtOwner(folder, identity),
    adopt: (identity) => adoptFolder(folder, identity),
  }
}

/** Makes the storage and the database of these settings each other's, whatever they were used with before. */
export const adoptStorage = async (settings: Settings): Promise<AdoptedStorage> => {
  const dataDir = prepareDataFolder(settings.dataDir)
  const storage = adoptableOf(settings.storage, settings, dataDir)
  const { url, stop } = await reachDatabase(settings, dataDir)
  const database = openDatabase(url, { connections: 1 })
  try {
    const identity = await identifyDatabase(database)
    const owner = await storage.owner(identity)
    await storage.adopt(identity)
    await moveClaim(database, await storage.id())
    await forgetMove(database)
    const [before, others] = [owner.state, owner.state === 'alone' ? [] : owner.others]
    await noteChange(
      database,
      { ...byOperator, operation: 'adoptStorage', target: storage.name, changes: '' },
      { before, others },
    )
    return { folder: storage.name, before, others }
  } finally {
    await database.close()
    await stop()
  }
}
