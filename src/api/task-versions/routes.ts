import { implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import { newestVersion, taskVersions } from '../../store/tasks/task-versions.ts'
import { findTask } from '../../store/tasks/tasks.ts'
import { getVersion, historyText, type Versioned, versionText } from '../versions.ts'
import { taskVersionsContract } from './contract.ts'

export interface TaskVersionsDeps {
  database: Database
}

export const taskVersionsRoutes = ({ database }: TaskVersionsDeps): Route[] => {
  const getTask = async (collection: FoundCollection, name: string): Promise<Versioned> => {
    const row = await findTask(database, collection.id, name)
    if (!row) throw new AppError('not_found', `Task '${name}' in collection '${collection.name}' not found`)
    return { ...row, kind: 'task', version: (await newestVersion(database, row.id)) ?? -1 }
  }

  return implement(taskVersionsContract, {
    listTaskVersions: async ({ collection, params, query }) =>
      rawJson(await historyText(database, taskVersions, await getTask(collection, params.task), query)),

    getTaskVersion: async ({ collection, params }) =>
      rawJson(
        versionText(await getVersion(database, taskVersions, await getTask(collection, params.task), params.ref)),
      ),
  })
}
