import { randomBytes } from 'node:crypto'
import { accessSync, constants, mkdirSync, realpathSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError, messageOf } from '../../lib/errors.ts'
import { readOrCreate, replaceFile } from '../../lib/files/exclusive-file.ts'
import { encryptionKeys } from '../../lib/settings/setting.ts'

/** Creates the data folder (0700) if missing and returns its real path. */
export const prepareDataFolder = (dataDir: string): string => {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    if (!statSync(dataDir).isDirectory()) throw new Error('it is not a folder')
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
    return realpathSync(dataDir)
  } catch (error) {
    throw new AppError('invalid', `The data folder ${dataDir} cannot be used: ${messageOf(error)}`, {
      hint: `Set JETTY_DATA_DIR to a folder that this user may write to, for example JETTY_DATA_DIR=${join(tmpdir(), 'jetty')} to try it out.`,
      cause: error,
    })
  }
}

/** Reads the admin token from `admin-token`, created on first use. */
export const adminTokenOf = (dataDir: string): string =>
  readOrCreate(join(dataDir, 'admin-token'), () => randomBytes(32).toString('base64url'))

/** Reads the encryption keys from `secret-key`, newest first; creates one on first use. */
export const secretKeysOf = (dataDir: string): Buffer[] => {
  const path = join(dataDir, 'secret-key')
  const read = encryptionKeys().safeParse(readOrCreate(path, () => randomBytes(32).toString('base64')))
  if (read.success) return read.data
  throw new AppError('invalid', `${path} must ${read.error.issues[0]?.message}`, {
    hint: 'Restore the file from a backup: data encrypted with it cannot be read without it.',
  })
}

/** Replaces the keys in `secret-key`, newest first; durable on return. */
export const writeSecretKeys = (dataDir: string, keys: Buffer[]): void =>
  replaceFile(join(dataDir, 'secret-key'), `${keys.map((key) => key.toString('base64')).join(',')}\n`)
