import { memberText } from '../../lib/json/json-text.ts'
import type { AskedVersion } from '../../model/version-ref.ts'
import type { Queries } from '../database/database.ts'
import { getVersion } from '../versions.ts'
import { newestVersion, taskVersions } from './task-versions.ts'
import { definitionHash } from './tasks.ts'

/** Finds the version of a task that a reference names, and the task with the workflow of it. Throws the 400 or 404. */
export const taskAt = async <Task extends { id: number; definition: string }>(
  queries: Queries,
  task: Task,
  ref: string,
): Promise<{ task: Task; version: AskedVersion }> => {
  const version = (await newestVersion(queries, task.id)) ?? -1
  const found = await getVersion(queries, taskVersions, { id: task.id, version }, ref)
  const definition = definitionHash(memberText(found.data, 'workflow') ?? '{}')
  return { task: { ...task, definition }, version: { ref, index: found.seq } }
}

/** Name of a task at a version, as steps that start runs take it. */
export const taskNameAt = (name: string, { index }: AskedVersion): string => `${name}@~${index}`
