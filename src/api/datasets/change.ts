import { requireMatch } from '../../http/entity-tag.ts'
import type { AnyCall } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { authorOf, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import type { CreateDataset } from '../../model/data/dataset.ts'
import type { Queries } from '../../store/database/database.ts'
import type { EntityFields, EntityRow } from '../../store/entities/entities.ts'
import { createEntity, updateEntity } from '../../store/entities/write-entity.ts'
import { emptyFields, storedFields } from '../entities/fields.ts'
import { noteEntity } from '../entities/noted.ts'
import { stateTag } from '../entities/shown.ts'
import { type StoreEntityDeps, storeWithin } from '../entities/stored-within.ts'
import { requireItemsFit, requireUsableSchema } from '../items/item-schema.ts'

const taken = () => new AppError('already_exists', 'Dataset already exists')

interface AddCall extends AnyCall {
  collection: FoundCollection
  identity: Identity
  body: CreateDataset
}

/** Adds a dataset to a collection, and notes it for the audit trail. */
export const addDataset = async (deps: StoreEntityDeps, call: AddCall): Promise<EntityRow> => {
  const { collection, identity, body, bodyText } = call
  requireUsableSchema(body.item_schema, call.warn)
  const fields = { ...emptyFields(body.name), ...storedFields(body, bodyText) }
  const at = { kind: 'dataset' as const, collectionId: collection.id, author: authorOf(identity) }
  const row = await storeWithin(deps, call, collection.id, () => createEntity(deps.database, at, fields))
  if (row === 'taken') throw taken()
  if (row === 'gone') throw new AppError('not_found', `Collection with name '${collection.name}' not found`)
  noteEntity(call, row, body)
  return row
}

/**
 * Changes fields of a dataset, if the request's If-Match allows it and the items fit the new schema. `noted` is the body
 * for the audit trail.
 */
export const changeDataset = async (
  deps: StoreEntityDeps,
  call: AnyCall & { identity: Identity },
  { id, collection_id: collectionId }: EntityRow,
  { fields, noted }: { fields: Partial<EntityFields>; noted: object },
): Promise<EntityRow> => {
  const check = async (before: EntityRow, queries: Queries) => {
    requireMatch(call, stateTag(before), `Dataset '${before.name}'`)
    await requireItemsFit(queries, before, fields.item_schema)
  }
  const row = await storeWithin(deps, call, collectionId, () =>
    updateEntity(deps.database, id, fields, { author: authorOf(call.identity), check }),
  )
  if (row === 'taken') throw taken()
  if (!row) throw new AppError('not_found', 'Dataset not found')
  noteEntity(call, row, noted)
  return row
}
