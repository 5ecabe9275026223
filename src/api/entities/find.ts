import { changesOf } from '../../http/audit.ts'
import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import type { AnyCall } from '../../http/implement.ts'
import type { CallMemory } from '../../http/input/memory.ts'
import { AppError } from '../../lib/errors.ts'
import { parsedObject } from '../../lib/json/json-object.ts'
import type { FoundCollection, Identity } from '../../model/collections/identity.ts'
import type { EntityKind } from '../../model/data/entity.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import {
  type EntitiesAt,
  type EntityRow,
  entityPageBytes,
  type FoundEntity,
  findEntity,
  listEntities,
} from '../../store/entities/entities.ts'
import { listedEntityText } from './serialize.ts'

export interface StoreEntityDeps {
  database: Database
  quota: Pick<Quota, 'add' | 'require'>
}

/**
 * Writes an entity if its collection has room, and counts the body: each change of its fields is kept as a version.
 * Throws `quota_exceeded`.
 */
export const storeWithin = async <Written>(
  { quota }: StoreEntityDeps,
  { bodyText }: Pick<AnyCall, 'bodyText'>,
  collectionId: number,
  write: () => Promise<Written>,
): Promise<Written> => {
  await quota.require(collectionId, 0)
  const written = await write()
  if (typeof written === 'object') quota.add(collectionId, { databaseBytes: Buffer.byteLength(bodyText) })
  return written
}

/** The page in memory: as read, each entity as JSON, and the answer. */
const copiesOfPage = 3

/**
 * Lists one page of entities as JSON text. Waits for memory first: metadata may have megabytes each. Throws `too_large`
 * for a page that never fits.
 */
export const entityListText = async (
  queries: Queries,
  memory: CallMemory,
  at: EntitiesAt,
  page: { skip: number; limit: number },
): Promise<string> => {
  await memory.take(copiesOfPage * (await entityPageBytes(queries, at, page)))
  const rows = await listEntities(queries, at, page)
  return `[${rows.map(listedEntityText).join(',')}]`
}

/** Top-level scalars of metadata, with `@` in names written as `__`, as search clients expect them. */
const scalarsOf = (text: string | null): Record<string, unknown> | null => {
  const metadata = text === null ? undefined : parsedObject(text)
  if (!metadata) return null
  return Object.fromEntries(
    Object.entries(metadata)
      .filter(([, value]) => typeof value !== 'object' || value === null)
      .map(([name, value]) => [name.replaceAll('@', '__'), value]),
  )
}

/** An entity as a hit of a search. */
export const entityHit = (row: FoundEntity) => ({
  document: {
    collection_name: row.collection_name,
    entity_name: row.name,
    full_name: `${row.kind}/${row.collection_name}/${row.name}`,
    entity_type: row.kind,
    metadata: scalarsOf(row.metadata),
    is_private: row.is_private,
    description: row.long_description,
  },
})

/** Describes a change of an entity in the audit trail: the given fields, and its current name. */
export const auditEntity = (call: Pick<AnyCall, 'note'>, row: EntityRow, body: object): void =>
  call.note({ target: `${row.collection_name}/${row.name}`, changes: { ...changesOf(body), name: row.name } })

const notFound = (kind: EntityKind, name: string, collection: string): AppError =>
  new AppError(
    'not_found',
    kind === 'dataset' ? 'Dataset not found' : `Trained model '${name}' in collection '${collection}' not found`,
  )

/** Finds an entity of a collection that the caller covers. Throws the 404. */
export const getEntity = async (
  queries: Queries,
  { kind, name }: { kind: EntityKind; name: string },
  collection: FoundCollection,
): Promise<EntityRow> => {
  const row = await findEntity(queries, { kind, collectionId: collection.id, name })
  if (!row) throw notFound(kind, name, collection.name)
  return row
}

/** Finds an entity that is public, or whose collection the caller covers. Private and unknown ones answer alike. */
export const getVisibleEntity = async (
  queries: Queries,
  { kind, name }: { kind: EntityKind; name: string },
  { collection, identity, asked }: { collection: FoundCollection; identity: Identity | undefined; asked: string },
): Promise<EntityRow> => {
  const row = await findEntity(queries, { kind, collectionId: collection.id, name })
  const isCovered = coveredOnly(identity, collection) !== undefined
  if (row && (!row.is_private || isCovered)) return row
  if (isCovered) throw notFound(kind, name, collection.name)
  // An unknown collection gets the same answer, so that private entities are not revealed.
  if (!identity) throw new AppError('unauthenticated', 'Not authenticated')
  throw collectionNotFound(notFound(kind, name, asked).message)
}
