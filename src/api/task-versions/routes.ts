import { implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import {
  findVersionAt,
  findVersionByHash,
  findVersionByTag,
  listVersions,
  newestVersion,
  type VersionRow,
  type WholeVersionRow,
} from '../../store/tasks/task-versions.ts'
import { findTask } from '../../store/tasks/tasks.ts'
import { withRaw } from '../tasks/serialize.ts'
import { taskVersionsContract } from './contract.ts'

const members = (row: VersionRow) => ({
  index: row.seq,
  transaction_id: row.transaction_id,
  content_hash: row.content_hash,
  tags: row.version === null ? [] : [row.version],
  created_at: timestamp(row.created_at),
  operation_type: row.operation_type,
  author: row.author,
  note: row.note,
})

/** Content of a version as JSON text, with the workflow as it was stored. */
const dataText = (row: WholeVersionRow, shows: (value: unknown) => boolean): string => {
  const plain = {
    name: row.name,
    entity_type: 'task',
    is_private: row.is_private,
    version: row.version,
    description: row.description,
    has_file_uploads: row.has_file_uploads,
  }
  const raw = { workflow: row.workflow, croissant_metadata: row.croissant_metadata }
  return withRaw(
    Object.fromEntries(Object.entries(plain).filter(([, value]) => shows(value))),
    Object.fromEntries(
      Object.entries(raw)
        .filter(([, text]) => shows(text))
        .map(([name, text]) => [name, text ?? 'null']),
    ),
  )
}

/** Entry of the history as JSON text; `changeset` is null when the workflow was not read. */
const listedVersionText = (row: VersionRow & { workflow: string | null }, withChangeset: boolean): string =>
  withRaw(members(row), {
    changeset: withChangeset ? dataText(row as WholeVersionRow, (value) => value !== null) : 'null',
  })

/** Writes a version as JSON. */
const versionText = (row: WholeVersionRow): string => withRaw(members(row), { data: dataText(row, () => true) })

export interface TaskVersionsDeps {
  database: Database
}

const missing = (message: string) => new AppError('not_found', message)

export const taskVersionsRoutes = ({ database }: TaskVersionsDeps): Route[] => {
  const getTask = async (collection: FoundCollection, name: string) => {
    const row = await findTask(database, collection.id, name)
    if (!row) throw missing(`Task '${name}' in collection '${collection.name}' not found`)
    return row
  }

  const getVersion = async (taskId: number, ref: string): Promise<WholeVersionRow> => {
    const newest = await newestVersion(database, taskId)
    if (newest === undefined) throw missing('Entity has no version history')
    if (ref.startsWith('~')) {
      if (!/^~-?\d+$/.test(ref)) throw new AppError('bad_request', `Invalid version index: ${ref}`)
      const given = Number(ref.slice(1))
      const seq = given < 0 ? newest + 1 + given : given
      const row = seq >= 0 && seq <= newest ? await findVersionAt(database, taskId, seq) : undefined
      if (!row) throw missing(`Version index ${ref} out of range (0-${newest})`)
      return row
    }
    const isHash = /^[0-9a-f]{64}$/i.test(ref)
    const byHash = isHash ? await findVersionByHash(database, taskId, ref.toLowerCase()) : undefined
    const row = byHash ?? (await findVersionByTag(database, taskId, ref))
    if (!row) throw missing(`Version ${isHash ? 'hash' : 'tag'} '${ref}' not found`)
    return row
  }

  return implement(taskVersionsContract, {
    listTaskVersions: async ({ collection, params, query }) => {
      const task = await getTask(collection, params.task)
      const newest = (await newestVersion(database, task.id)) ?? -1
      const from = Math.max(newest - query.skip, -1) // versions have no gaps, so skipped ones need not be read
      const page = { from, limit: query.limit, whole: query.include_changeset }
      const versions = await listVersions(database, task.id, page)
      const head = {
        entity_name: task.name,
        entity_type: 'task',
        collection_name: task.collection_name,
        total_versions: newest + 1,
      }
      const texts = versions.map((row) => listedVersionText(row, query.include_changeset))
      return rawJson(withRaw(head, { versions: `[${texts.join(',')}]` }))
    },

    getTaskVersion: async ({ collection, params }) => {
      const task = await getTask(collection, params.task)
      return rawJson(versionText(await getVersion(task.id, params.ref)))
    },
  })
}
