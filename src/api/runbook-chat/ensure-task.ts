import { type AuditTrail, recorded } from '../../http/audit.ts'
import { AppError } from '../../lib/errors.ts'
import type { FoundCollection, Identity } from '../../model/collections/identity.ts'
import { standardRunbookTask, standardRunbookWorkflow } from '../../model/runbooks/standard-runbook.ts'
import type { Database } from '../../store/database/database.ts'
import { createTask, type TaskRow } from '../../store/tasks/tasks.ts'

/** Workflow of a task created by a chat. */
export const standardText = JSON.stringify(standardRunbookWorkflow())

/** Creates the task that a chat names, with an audit entry; undefined if another request has created it meanwhile. */
export const makeChatTask = async (
  { database, audit }: { database: Database; audit: AuditTrail },
  identity: Identity,
  collection: FoundCollection,
  name: string,
): Promise<TaskRow | undefined> => {
  const make = async () => {
    const made = await createTask(database, collection.id, {
      name,
      workflow: standardText,
      description: 'Runbooks of chats',
      version: null,
      ...standardRunbookTask,
      is_private: true,
      croissant_metadata: null,
    })
    if (made === 'gone') throw new AppError('not_found', 'Collection not found')
    if (made === 'taken') throw new Taken()
    return made
  }
  const entry = {
    identity,
    collection,
    operation: 'createTask',
    target: `${collection.name}/${name}`,
    changes: { name },
  }
  try {
    return (await recorded(audit, entry, {}, make, () => {})) as TaskRow
  } catch (error) {
    if (error instanceof Taken) return undefined
    throw error
  }
}

/** Rolls the transaction back when another request was first, so that the audit trail has one entry. */
class Taken extends AppError {
  constructor() {
    super('already_exists', 'The task already exists')
  }
}
