import type { Queries } from '../database/database.ts'
import { bigint, queryOne, type Row, text } from '../database/table.ts'
import { keepDefinition } from './definitions.ts'
import { createTask, definitionHash } from './tasks.ts'

/** Identifies the task that records go to. */
const recordTask = { id: bigint, name: text }
export type RecordTask = Row<typeof recordTask>

const findForRecords = queryOne(
  'task_for_records',
  recordTask,
  'select id, name from tasks where collection_id = $1 and lower(name) = lower($2)',
  (collectionId: number, name: string) => [collectionId, name],
)

const ofCalls = 'Calls of the gateway, recorded by the server'

/**
 * Finds the task of this name, or creates it with this workflow; either way the workflow is stored as a definition.
 * Undefined when the collection is gone.
 */
export const taskForRecords = async (
  queries: Queries,
  at: { collectionId: number; name: string; workflow: string; description?: string },
): Promise<RecordTask | undefined> => {
  await keepDefinition(queries, { hash: definitionHash(at.workflow), workflow: at.workflow })
  for (;;) {
    const found = await findForRecords(queries, at.collectionId, at.name)
    if (found) return found
    const made = await createTask(queries, at.collectionId, {
      name: at.name,
      workflow: at.workflow,
      description: at.description ?? ofCalls,
      version: null,
      has_file_uploads: false,
      is_private: true,
      is_chat_flow: false,
      croissant_metadata: null,
    })
    if (made === 'gone') return undefined
    if (made !== 'taken') return made
  }
}
