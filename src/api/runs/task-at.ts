import { memberText } from '../../lib/json/json-text.ts'
import type { FoundCollection, FoundTask } from '../../model/collections/identity.ts'
import type { Queries } from '../../store/database/database.ts'
import { newestVersion, taskVersions } from '../../store/tasks/task-versions.ts'
import { definitionHash } from '../../store/tasks/tasks.ts'
import { getVersion } from '../versions.ts'

/** The version that a run was asked to execute, as `params.version` of the run. */
export interface AskedVersion {
  /** The reference as it was given. */
  ref: string
  /** What it meant when the run started: a tag may move later. */
  index: number
}

/** Finds the version of a task that a reference names, and the task with the workflow of it. Throws the 400 or 404. */
export const taskAt = async (
  queries: Queries,
  collection: FoundCollection,
  task: FoundTask,
  ref: string,
): Promise<{ task: FoundTask; version: AskedVersion }> => {
  const version = (await newestVersion(queries, task.id)) ?? -1
  const versioned = { id: task.id, name: task.name, kind: 'task', collection_name: collection.name, version }
  const found = await getVersion(queries, taskVersions, versioned, ref)
  const definition = definitionHash(memberText(found.data, 'workflow') ?? '{}')
  return { task: { ...task, definition }, version: { ref, index: found.seq } }
}
