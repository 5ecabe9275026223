/** Where the keys of a bucket come from: the settings, or what the AWS CLI would use on this machine, in its order. */
import { AppError } from '../../../../lib/errors.ts'
import type { CredentialSource } from '../client.ts'
import { fromContainer } from './from-container.ts'
import { fromInstance } from './from-instance.ts'
import { fromProfile } from './from-profile.ts'
import { fromWebIdentity } from './from-web-identity.ts'
import type { CredentialPlaces, FindCredentials, FoundCredentials } from './places.ts'

const fromSettings: FindCredentials = async ({ accessKeyId, secretAccessKey }) => {
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey }
  throw new AppError('invalid', 'JETTY_STORAGE_ACCESS_KEY_ID and JETTY_STORAGE_SECRET_ACCESS_KEY belong together', {
    hint: 'Set both, or neither to use the credentials of this machine.',
  })
}

const fromVariables: FindCredentials = async ({ variables }) => {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = variables
  if (!accessKeyId || !secretAccessKey) return undefined
  return { accessKeyId, secretAccessKey, sessionToken: variables.AWS_SESSION_TOKEN || undefined }
}

const chain: readonly FindCredentials[] = [
  fromSettings,
  fromVariables,
  fromProfile,
  fromWebIdentity,
  fromContainer,
  fromInstance,
]

const find = async (places: CredentialPlaces): Promise<FoundCredentials> => {
  for (const look of chain) {
    const found = await look(places)
    if (found) return found
  }
  throw new AppError('invalid', 'There are no credentials for the bucket of JETTY_STORAGE', {
    hint: 'Set JETTY_STORAGE_ACCESS_KEY_ID and JETTY_STORAGE_SECRET_ACCESS_KEY, or give the machine a role or profile.',
  })
}

/** Temporary credentials are renewed so long before they expire. */
const renewBeforeMs = 5 * 60_000

/** Makes a source of credentials that asks once for all callers, and again before they expire. */
export const makeCredentialSource = (places: CredentialPlaces): CredentialSource => {
  let kept: FoundCredentials | undefined
  let asking: Promise<FoundCredentials> | undefined
  const ask = (): Promise<FoundCredentials> => {
    asking ??= find(places)
      .then((found) => {
        kept = found
        return found
      })
      .finally(() => {
        asking = undefined
      })
    return asking
  }
  return {
    async get() {
      const leftMs = (kept?.expiresMs ?? Number.POSITIVE_INFINITY) - Date.now()
      if (kept && leftMs > renewBeforeMs) return kept
      const current = kept
      // While the old ones are still valid, a failed renewal is no failure.
      return ask().catch((error) => (current && leftMs > 0 ? current : Promise.reject(error)))
    },
    forget() {
      kept = undefined
    },
  }
}
