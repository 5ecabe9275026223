import { AppError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import type { Queries } from '../../store/database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import {
  type EntityVersionRow,
  findEntityVersionAt,
  findEntityVersionByHash,
  findEntityVersionByTag,
  listEntityVersions,
} from '../../store/entities/entity-versions.ts'
import { withRaw } from '../tasks/serialize.ts'

const missing = (message: string) => new AppError('not_found', message)

/** Finds a version by `~n`, by its hash, or by a tag. Throws the 400 or 404. */
export const getEntityVersion = async (queries: Queries, entity: EntityRow, ref: string): Promise<EntityVersionRow> => {
  const { id, version: newest } = entity
  if (ref.startsWith('~')) {
    if (!/^~-?\d{1,9}$/.test(ref)) throw new AppError('bad_request', `Invalid version index: ${ref}`)
    const given = Number(ref.slice(1))
    const seq = given < 0 ? newest + 1 + given : given
    const row = seq >= 0 && seq <= newest ? await findEntityVersionAt(queries, id, seq) : undefined
    if (!row) throw missing(`Version index ${ref} out of range (0-${newest})`)
    return row
  }
  const isHash = /^[0-9a-f]{64}$/i.test(ref)
  const byHash = isHash ? await findEntityVersionByHash(queries, id, ref.toLowerCase()) : undefined
  const row = byHash ?? (await findEntityVersionByTag(queries, id, ref))
  if (!row) throw missing(`Version ${isHash ? 'hash' : 'tag'} '${ref}' not found`)
  return row
}

const members = (row: EntityVersionRow) => ({
  index: row.seq,
  transaction_id: row.transaction_id,
  content_hash: row.content_hash,
  tags: [...new Set([...(row.tag === null ? [] : [row.tag]), ...row.tags])],
  created_at: timestamp(row.created_at),
  operation_type: row.operation_type,
  author: row.author,
})

/** One version as JSON text. */
export const entityVersionText = (row: EntityVersionRow): string => withRaw(members(row), { data: row.data })

const changesetText = ({ data }: EntityVersionRow): string =>
  JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(data)).filter(([, value]) => value !== null)))

/** A page of the history of an entity as JSON text, newest version first. */
export const entityHistoryText = async (
  queries: Queries,
  entity: EntityRow,
  { skip, limit, include_changeset: whole }: { skip: number; limit: number; include_changeset: boolean },
): Promise<string> => {
  const from = Math.max(entity.version - skip, -1) // versions have no gaps, so skipped ones need not be read
  const rows = await listEntityVersions(queries, entity.id, { from, limit, whole })
  const head = {
    entity_name: entity.name,
    entity_type: entity.kind,
    collection_name: entity.collection_name,
    total_versions: entity.version + 1,
  }
  const versions = rows.map((row) => withRaw(members(row), { changeset: whole ? changesetText(row) : 'null' }))
  return withRaw(head, { versions: `[${versions.join(',')}]` })
}
