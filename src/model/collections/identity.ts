import { z } from 'zod'
import type { CollectionSettings } from './collection-settings.ts'

/**
 * Rights of a token. READ reads, WRITE also runs and changes, ADMIN is the server's single admin token. WORKER does
 * nothing but take jobs as a worker, which WRITE and ADMIN may as well.
 */
const accessLevelSchema = z.enum(['READ', 'WRITE', 'WORKER', 'ADMIN'])
export type AccessLevelName = z.infer<typeof accessLevelSchema>

/** An authenticated caller. */
export interface Identity {
  kind: 'admin' | 'key'
  keyId: number | null
  name: string | null
  /** First eight characters of the key. */
  prefix: string | null
  access: AccessLevelName
  /** Collections the key covers; unused for the admin, who covers all. */
  collectionIds: readonly number[]
  /** Who pays for what the key makes: see `Owner`. 0 for the admin. */
  payer: number
  /** Home collection of the key: the default for requests that name none. */
  homeId: number | null
  /** Null: never. */
  expiresAt: Date | null
  /** The session that the call was made with; a session may do what its key may. */
  sessionId?: number
}

/** A collection found by the name in a request. */
export interface FoundCollection {
  id: number
  name: string
  /** Who pays for it: see `Owner`. */
  payer: number
  /** Its settings, read with it. */
  settings?: Partial<CollectionSettings>
}

/** A collection with what a model call needs of it. */
export interface FoundPlace extends FoundCollection {
  /** Current environment version; null when none was set. */
  environment_id: number | null
}

/** A task found by the names in a request, with what a run needs of it. */
export interface FoundTask {
  id: number
  name: string
  /** Hash of its workflow's text. */
  definition: string
  /** Current environment version of its collection. */
  environment_id: number | null
}

/** The owner of work for a collection. */
export const ownerOf = ({
  id,
  payer,
}: Pick<FoundCollection, 'id' | 'payer'>): { payer: number; collectionId: number } => ({
  payer,
  collectionId: id,
})

/** The owner of work for a call that names no collection. */
export const ownerOfCaller = (identity: Identity | undefined): { payer: number | string; collectionId: number } => ({
  payer: identity?.payer ?? 'nobody',
  collectionId: identity?.collectionIds.length === 1 ? (identity.collectionIds[0] ?? 0) : 0,
})

/** Whether a caller may see a collection. */
export const covers = (identity: Identity, collectionId: number): boolean =>
  identity.kind === 'admin' || identity.collectionIds.includes(collectionId)

/** Collections to which lists are limited; undefined means all. */
export const coveredIds = (identity: Identity): readonly number[] | undefined =>
  identity.kind === 'admin' ? undefined : identity.collectionIds

/** Default collection of a caller: its key's home, or the only one the key covers. */
export const homeOf = ({ homeId, collectionIds }: Identity): number | undefined =>
  homeId ?? (collectionIds.length === 1 ? collectionIds[0] : undefined)

/** Author of runs and labels: `admin` or `api-key:<name>`. */
export const authorOf = (identity: Identity): string =>
  identity.kind === 'admin' ? 'admin' : `api-key:${identity.name}`

/** Authenticated sender, with the key's id: names of keys may repeat and change. */
export const recordedBy = (identity: Identity): string =>
  identity.kind === 'admin' ? 'admin' : `api-key:${identity.name} (key ${identity.keyId})`

export const whoamiSchema = z
  .object({
    auth_type: z.enum(['api_key', 'admin', 'user']),
    name: z.string().nullable(),
    key_prefix: z.string().nullable(),
    key_id: z.int().nullable().describe('Id of the key, for `PUT /api/v1/api-keys/{id}`.'),
    collections: z.array(z.string()),
    home_collection: z.string().nullable().describe('Home collection: the default for requests that name none.'),
    access_level: accessLevelSchema,
  })
  .meta({ id: 'Whoami' })
