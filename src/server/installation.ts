import { makeSealer, type Sealer } from '../lib/secrets/crypto.ts'
import type { Settings } from '../lib/settings/config.ts'
import { adminTokenOf, prepareDataFolder, secretKeysOf, writeSecretKeys } from '../store/database/data-folder.ts'
import type { KeyHome } from '../store/secrets/key-rotation.ts'

/** The data folder of a server, and the secrets that it starts with. */
export interface Installation {
  dataDir: string
  adminToken: string
  sealer: Sealer
  keyHome: KeyHome
}

/** Makes or reads the data folder; secrets in the settings win over those in its files. */
export const openInstallation = (settings: Settings): Installation => {
  const dataDir = prepareDataFolder(settings.dataDir)
  return {
    dataDir,
    adminToken: settings.adminToken ?? adminTokenOf(dataDir),
    sealer: makeSealer(settings.secretKeys ?? secretKeysOf(dataDir)),
    keyHome: keyHomeOf(settings, dataDir),
  }
}

/** Only a process with its own database changes the encryption key itself: other processes could not learn the new one. */
const keyHomeOf = (settings: Settings, dataDir: string): KeyHome => {
  if (settings.secretKeys) return { kind: 'setting' }
  if (settings.databaseUrl) return { kind: 'shared_file' }
  return { kind: 'file', read: () => secretKeysOf(dataDir), write: (keys) => writeSecretKeys(dataDir, keys) }
}
