import { parsedObject } from '../../lib/json/json-object.ts'
import { memberText, withRaw } from '../../lib/json/json-text.ts'
import { timestamp } from '../../lib/time.ts'
import type { Warning } from '../../model/warning.ts'
import { inferredInputSchema } from '../../model/workflows/input-schema.ts'
import type { TaskHeadRow, TaskRow } from '../../store/tasks/tasks.ts'

/** Members of a task that every list has. */
export const taskMembers = (row: TaskHeadRow) => ({
  id: row.id,
  name: row.name,
  entity_type: 'task' as const,
  is_private: row.is_private,
  collection_id: row.collection_id,
  collection_name: row.collection_name,
  version: row.version,
  description: row.description,
  has_file_uploads: row.has_file_uploads,
  is_chat_flow: row.is_chat_flow,
  created_at: timestamp(row.created_at),
  updated_at: timestamp(row.updated_at),
})

const raw = (row: TaskRow) => ({ workflow: row.workflow, croissant_metadata: row.croissant_metadata ?? 'null' })

/** A task in a list as JSON text, with the workflow as it was stored. */
export const listedTaskText = (row: TaskRow): string => withRaw(taskMembers(row), raw(row))

/** Members that `task-details` adds, and `warnings` after a write. */
interface TaskExtras {
  environment_variables?: Record<string, string>
  storage_info?: Record<string, unknown> | null
  storage_provider?: string | null
  warnings?: Warning[]
}

/** JSON text of the schema of a run's parameters: the one of the workflow, or one that its defaults suggest. */
const inputSchemaText = (workflow: string): string => {
  const written = memberText(workflow, 'input_schema')
  if (written !== undefined && parsedObject(written)) return written
  return JSON.stringify(inferredInputSchema(parsedObject(memberText(workflow, 'init_params') ?? '{}') ?? {}))
}

/** A task as JSON text. */
export const taskText = (row: TaskRow, extras: TaskExtras = {}): string =>
  withRaw(
    { ...taskMembers(row), environment_variables: null, storage_info: null, storage_provider: null, ...extras },
    { ...raw(row), input_schema: inputSchemaText(row.workflow) },
  )
