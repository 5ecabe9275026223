import type { EntityKind } from '../../model/data/entity.ts'
import { lostEntityUsage } from '../collections/quota.ts'
import type { Database, Queries } from '../database/database.ts'
import { change, queryOne, valuesOf } from '../database/table.ts'
import {
  type EntityFields,
  type EntityRow,
  entity,
  entityColumns,
  entityJoin,
  fieldNames,
  findEntityById,
} from './entities.ts'
import { appendEntityVersion, entityVersions, type VersionItems } from './entity-versions.ts'

const isUniqueViolation = (error: unknown): boolean => (error as { code?: string }).code === '23505'
const isForeignKeyViolation = (error: unknown): boolean => (error as { code?: string }).code === '23503'

const insertEntity = queryOne(
  'create_entity',
  entity,
  `with e as (
           insert into entities (collection_id, kind, ${fieldNames.join(', ')})
           values ($1, $2, ${fieldNames.map((_, index) => `$${index + 3}`).join(', ')})
           on conflict (collection_id, kind, lower(name)) do nothing returning *)
         select ${entityColumns} from e ${entityJoin}`,
  (at: { kind: EntityKind; collectionId: number }, fields: EntityFields) => [
    ...[at.collectionId, at.kind, ...valuesOf(fieldNames, fields)],
  ],
)

/** Creates an entity and its version 0. `taken`: the name is in use. `gone`: the collection was deleted meanwhile. */
export const createEntity = async (
  database: Database,
  at: { kind: EntityKind; collectionId: number; author: string },
  fields: EntityFields,
): Promise<EntityRow | 'taken' | 'gone'> => {
  try {
    return await database.transaction(async (queries) => {
      const row = await insertEntity(queries, at, fields)
      if (!row) return 'taken'
      await appendEntityVersion(queries, row, { operation: 'INSERT', author: at.author })
      return row
    })
  } catch (error) {
    if (isForeignKeyViolation(error)) return 'gone'
    throw error
  }
}

const lock = change('lock_entity', 'select from entities where id = $1 for no key update', (id: number) => [id])

/** Locks an entity until the transaction ends, and reads it; undefined when it is gone. */
export const lockEntity = async (queries: Queries, id: number): Promise<EntityRow | undefined> => {
  await lock(queries, id)
  return findEntityById(queries, id) // a later statement: it sees what the lock waited for
}

/** Reads what the newest version says about the items. */
export const newestItems = async (queries: Queries, row: EntityRow): Promise<VersionItems | undefined> => {
  const version = await entityVersions.at(queries, row.id, row.version)
  return version && (JSON.parse(version.data) as { items?: VersionItems }).items
}

const updateFields = (name: string, changed: readonly (keyof EntityFields)[]) =>
  queryOne(
    name,
    entity,
    `with e as (
       update entities set updated_at = clock_timestamp(), version = version + $2
         ${changed.map((name, index) => `, ${name} = $${index + 3}`).join('')}
       where id = $1 returning *)
     select ${entityColumns} from e ${entityJoin}`,
    (row: EntityRow, versions: number) => [row.id, versions, ...valuesOf(changed, row)],
  )
const updateAllFields = updateFields('write_entity', fieldNames)
/** A write of items leaves the fields alone: large metadata would be stored and indexed anew each time. */
const updateNoFields = updateFields('touch_entity', [])

/** Writes the fields of a locked entity, and appends a version if asked to; `sameFields`: only items have changed. */
export const writeEntity = async (
  queries: Queries,
  row: EntityRow,
  {
    isNewVersion,
    author,
    items,
    sameFields = false,
  }: { isNewVersion: boolean; author: string; items?: VersionItems | undefined; sameFields?: boolean },
): Promise<EntityRow> => {
  const update = sameFields ? updateNoFields : updateAllFields
  const written = await update(queries, row, isNewVersion ? 1 : 0)
  if (!written) throw new Error('a locked entity is gone')
  if (isNewVersion) await appendEntityVersion(queries, written, { operation: 'UPDATE', author, items, sameFields })
  return written
}

interface EntityUpdate {
  author: string
  /** Called with the locked entity before anything is written; throws to refuse the update. */
  check?(before: EntityRow, queries: Queries): void | Promise<void>
}

/** The preview is not versioned. */
const isVersioned = (name: keyof EntityFields): boolean => name !== 'preview_type'

/**
 * Updates the given fields, and appends a version when the content changes. Undefined when the entity is gone, `taken`
 * when the new name is in use. Writes nothing when nothing changes.
 */
export const updateEntity = async (
  database: Database,
  id: number,
  fields: Partial<EntityFields>,
  { author, check }: EntityUpdate,
): Promise<EntityRow | 'taken' | undefined> => {
  try {
    return await database.transaction(async (queries) => {
      const before = await lockEntity(queries, id)
      if (!before) return undefined
      await check?.(before, queries)
      const changed = (Object.keys(fields) as (keyof EntityFields)[]).filter((name) => fields[name] !== before[name])
      if (changed.length === 0) return before
      if (fields.name !== undefined && (await isNameTaken(queries, before, fields.name))) return 'taken'
      const moved = changed.includes('name') ? await moveFiles(queries, before, fields.name ?? before.name) : {}
      return writeEntity(
        queries,
        { ...before, ...moved, ...fields },
        { isNewVersion: changed.some(isVersioned), author, items: await newestItems(queries, before) },
      )
    })
  } catch (error) {
    if (isUniqueViolation(error)) return 'taken'
    throw error
  }
}

/** Checked before the unique index: two entities that swap names would deadlock on it. */
const isNameTaken = change(
  'is_entity_name_taken',
  'select from entities where collection_id = $1 and kind = $2 and lower(name) = lower($3) and id <> $4',
  ({ id, kind, collection_id }: EntityRow, name: string) => [collection_id, kind, name, id],
)

const renamePaths = change(
  'move_dataset_files',
  `update files f set path = regexp_replace(f.path, '/_datasets/[^/]+/', '/_datasets/' || $2::text || '/')
     from dataset_files d where d.dataset_id = $1 and f.path = d.path`,
  (id: number, name: string) => [id, name],
)

/**
 * Renames the storage paths of a dataset's files with it, so that another dataset can have the name and its paths.
 * Returns the `data_path` that leads to such a file.
 */
const moveFiles = async (queries: Queries, row: EntityRow, name: string): Promise<Pick<EntityRow, 'path'>> => {
  await renamePaths(queries, row.id, name)
  const folder = `${row.collection_name}/_datasets/`
  const own = `${folder}${row.name}/`
  const isOwn = row.kind === 'dataset' && row.path?.startsWith(own)
  return { path: isOwn ? `${folder}${name}/${row.path?.slice(own.length)}` : row.path }
}

/** Deletes an entity with its versions and items, and their bytes from the usage; false when there was none. */
export const deleteEntity = change(
  'delete_entity',
  `with ${lostEntityUsage} delete from entities where id = $1 returning id`,
  (id: number) => [id],
)
