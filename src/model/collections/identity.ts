import { z } from 'zod'
import type { CollectionSettings } from './collection-settings.ts'

/** What a token may do: READ reads, WRITE also runs and changes, ADMIN is the one token of the server. */
export const accessLevelSchema = z.enum(['READ', 'WRITE', 'ADMIN'])
export type AccessLevelName = z.infer<typeof accessLevelSchema>

/** Who calls, once a token was accepted. */
export interface Identity {
  kind: 'admin' | 'key'
  keyId: number | null
  name: string | null
  /** First eight characters of the key. */
  prefix: string | null
  access: AccessLevelName
  /** Collections a key covers; without meaning for the admin, who covers all. */
  collectionIds: readonly number[]
  /** The home collection of a key: the one meant where a request names none. */
  homeId: number | null
  /** Null: never. */
  expiresAt: Date | null
}

/** A collection as found by the name in a request. */
export interface FoundCollection {
  id: number
  name: string
  /** What is set of it; found together with it. */
  settings?: Partial<CollectionSettings>
}

/** A collection as a call to a model is made for it. */
export interface FoundPlace extends FoundCollection {
  /** The version of its environment that is in force; null where none was set. */
  environment_id: number | null
}

/** A task as found by the names in a request: what a run of it has to know. */
export interface FoundTask {
  id: number
  name: string
  /** Hash of its workflow's text. */
  definition: string
  /** The version of its collection's environment that runs get now. */
  environment_id: number | null
}

/** Whether an identity may see a collection at all. */
export const covers = (identity: Identity, collectionId: number): boolean =>
  identity.kind === 'admin' || identity.collectionIds.includes(collectionId)

/** The collections a list is limited to; undefined means all of them. */
export const coveredIds = (identity: Identity): readonly number[] | undefined =>
  identity.kind === 'admin' ? undefined : identity.collectionIds

/** The collection meant where a request names none: the home of a key, or the only one it covers. */
export const homeOf = ({ homeId, collectionIds }: Identity): number | undefined =>
  homeId ?? (collectionIds.length === 1 ? collectionIds[0] : undefined)

/** Who did it, as recorded with runs and labels: `admin` or `api-key:<name>`. */
export const authorOf = (identity: Identity): string =>
  identity.kind === 'admin' ? 'admin' : `api-key:${identity.name}`

/** Who sent something, as the server knows it. A key stands with its id: names of keys may repeat, and change. */
export const recordedBy = (identity: Identity): string =>
  identity.kind === 'admin' ? 'admin' : `api-key:${identity.name} (key ${identity.keyId})`

export const whoamiSchema = z
  .object({
    auth_type: z.enum(['api_key', 'admin', 'user']),
    name: z.string().nullable(),
    key_prefix: z.string().nullable(),
    key_id: z.int().nullable().describe('The id of the key, as `PUT /api/v1/api-keys/{id}` takes it.'),
    collections: z.array(z.string()),
    home_collection: z.string().nullable().describe('The collection that is meant where a request names none.'),
    access_level: accessLevelSchema,
  })
  .meta({ id: 'Whoami' })
