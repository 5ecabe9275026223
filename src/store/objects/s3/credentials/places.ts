import type { Fetch } from '../../../../lib/net/net.ts'
import type { S3Credentials } from '../sign-request.ts'

/** Keys with the time at which they expire, in milliseconds since 1970; undefined: never. */
export interface FoundCredentials extends S3Credentials {
  expiresMs?: number | undefined
}

export interface CredentialPlaces {
  /** Keys of the settings. */
  accessKeyId: string | undefined
  secretAccessKey: string | undefined
  /** Environment variables. */
  variables: Record<string, string | undefined>
  region: string
  /** Reaches AWS, and the local addresses that give credentials to containers and instances. */
  fetch: Fetch
}

/** Looks in one place: undefined when nothing is configured there. Throws when what is configured fails. */
export type FindCredentials = (places: CredentialPlaces) => Promise<FoundCredentials | undefined>
