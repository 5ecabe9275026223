import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import { AppError } from '../../lib/errors.ts'
import type { FoundCollection, Identity } from '../../model/collections/identity.ts'
import type { EntityKind } from '../../model/data/entity.ts'
import type { Queries } from '../../store/database/database.ts'
import { type EntityRow, findEntity } from '../../store/entities/entities.ts'

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
