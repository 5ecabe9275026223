import { AppError } from '../lib/errors.ts'
import { memberSpans, withRaw } from '../lib/json/json-text.ts'
import { timestamp } from '../lib/time.ts'
import { authorOf, type Identity } from '../model/collections/identity.ts'
import { tagPattern } from '../model/version-ref.ts'
import type { Queries } from '../store/database/database.ts'
import type { EntityRow } from '../store/entities/entities.ts'
import { entityVersions } from '../store/entities/entity-versions.ts'
import { getVersion, type Version, type Versions } from '../store/versions.ts'

/** A task, dataset or model whose versions are asked for. */
export interface Versioned {
  id: number
  name: string
  kind: string
  collection_name: string
  /** Number of its newest version; -1: it has none. */
  version: number
}

const missing = (message: string) => new AppError('not_found', message)

/** Finds a version of a dataset or model. Throws the 400 or 404. */
export const getEntityVersion = (queries: Queries, entity: EntityRow, ref: string): Promise<Version> =>
  getVersion(queries, entityVersions, entity, ref)

/** Whether a version could be meant by an index or a hash: such a tag would hide it. */
const isTaken = (tag: string) => /^\d+$/.test(tag) || /^[0-9a-f]{64}$/i.test(tag)

interface TagCall {
  tag: string
  /** Reference to the version that gets the tag. */
  version: string
  identity: Identity
  note(details: { changes: Record<string, unknown> }): void
}

/** Sets a tag on a version, or moves it there; the entry of the audit trail names both versions. Throws the 400 or 404. */
export const setTag = async (
  queries: Queries,
  versions: Versions,
  versioned: Versioned,
  { tag, version: ref, identity, note }: TagCall,
): Promise<{ tag: string; version: number; content_hash: string }> => {
  if (!tagPattern.test(tag) || isTaken(tag)) {
    const message =
      'A tag starts with a letter or digit, then up to 99 letters, digits, dots, underscores or hyphens; it is neither a number nor a hash'
    throw new AppError('bad_request', message)
  }
  const { seq, content_hash } = await getVersion(queries, versions, versioned, ref)
  const before = await versions.byTag(queries, versioned.id, tag)
  await versions.setTag(queries, versioned.id, { tag, seq, author: authorOf(identity) })
  note({ changes: { version: seq, ...(before && { before: before.seq }) } })
  return { tag, version: seq, content_hash }
}

/** Removes a tag that was set. Throws the 404. */
export const removeTag = async (
  queries: Queries,
  versions: Versions,
  id: number,
  tag: string,
): Promise<{ message: string }> => {
  if (await versions.removeTag(queries, id, tag)) return { message: 'Tag deleted successfully' }
  throw missing(`Version tag '${tag}' not found`)
}

const members = (row: Version) => ({
  index: row.seq,
  transaction_id: row.id,
  content_hash: row.content_hash,
  tags: row.tags,
  created_at: timestamp(row.created_at),
  operation_type: row.operation_type,
  author: row.author,
  note: row.note, // absent where a noun has none
})

/** One version as JSON text, with its content as it was stored. */
export const versionText = (row: Version): string => withRaw(members(row), { data: row.data })

/** The members of a JSON object that are not null, as they were written. */
const withoutNulls = (text: string): string => {
  const spans = [...memberSpans(text)].map(({ name, start, end }) => [name, text.slice(start, end)] as const)
  return `{${spans.flatMap(([name, value]) => (value === 'null' ? [] : `${JSON.stringify(name)}:${value}`)).join(',')}}`
}

/** A page of a history as JSON text, newest version first. */
export const historyText = async (
  queries: Queries,
  versions: Versions,
  { id, name, kind, collection_name, version }: Versioned,
  { skip, limit, include_changeset: whole }: { skip: number; limit: number; include_changeset: boolean },
): Promise<string> => {
  const from = Math.max(version - skip, -1) // versions have no gaps, so skipped ones need not be read
  const rows = await versions.list(queries, id, { from, limit, whole })
  const head = { entity_name: name, entity_type: kind, collection_name, total_versions: version + 1 }
  const texts = rows.map((row) => withRaw(members(row), { changeset: whole ? withoutNulls(row.data) : 'null' }))
  return withRaw(head, { versions: `[${texts.join(',')}]` })
}
