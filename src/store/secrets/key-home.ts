import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { SecretKeyRotation } from '../../model/collections/secret-key.ts'

/** Source of this process's sealing keys. */
export type KeyHome =
  /** A file that only this process reads: it creates new keys itself. */
  | { kind: 'file'; write(keys: Buffer[]): void; read(): Buffer[] }
  /** A file that other processes may read: they could not be told of a new key. */
  | { kind: 'shared_file' }
  | { kind: 'setting' }

const putFirst =
  'Put a new key (`openssl rand -base64 32`) in front of the old one, JETTY_SECRET_KEY=new,old, for every process, ' +
  'restart them one after another, then rotate again.'

const moveToSetting =
  'Other processes may read the file secret-key and would not learn of a new key. Set JETTY_SECRET_KEY=new,old ' +
  'for every process, where old is the content of the file, restart them one after another, then rotate again.'

/** Throws `conflict` with the way out if there is no newer key, and this process cannot make one. */
export const requireNewerKey = (home: KeyHome, sealer: Sealer): void => {
  if (home.kind === 'shared_file') {
    throw new AppError('conflict', 'The encryption key comes from a file, but other processes share the database', {
      hint: moveToSetting,
    })
  }
  if (home.kind === 'setting' && sealer.keyIds.length < 2) {
    throw new AppError('conflict', 'JETTY_SECRET_KEY contains only one key, so there is no newer key to rotate to', {
      hint: putFirst,
    })
  }
}

/** Says what the operator should do next. */
export const nextStep = (home: KeyHome, state: SecretKeyRotation['state'], remaining: number, keys: number): string => {
  if (state === 'running') return 'Wait, then ask again.'
  if (state === 'failed')
    return 'Remove the cause in `error`, then rotate again; the rotation continues where it stopped.'
  if (home.kind === 'shared_file') return moveToSetting
  if (home.kind === 'file') {
    if (home.read().length > 1) return 'Rotate again: an earlier rotation is not finished.'
    return 'Nothing. Rotate to use a new key; earlier backups need the key they were made with.'
  }
  if (keys < 2) return putFirst
  if (remaining > 0)
    return 'Rotate: secrets with an older key are encrypted with the newest one. All processes must already have it.'
  return 'The older keys are no longer needed: remove them from JETTY_SECRET_KEY of every process, and restart the processes.'
}
