import { timestamp } from '../../lib/time.ts'
import type { VersionRow, WholeVersionRow } from '../../store/tasks/task-versions.ts'
import { withRaw } from '../tasks/shown.ts'

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
export const listedVersionText = (row: VersionRow & { workflow: string | null }, withChangeset: boolean): string =>
  withRaw(members(row), {
    changeset: withChangeset ? dataText(row as WholeVersionRow, (value) => value !== null) : 'null',
  })

/** Writes a version as JSON. */
export const versionText = (row: WholeVersionRow): string => withRaw(members(row), { data: dataText(row, () => true) })
