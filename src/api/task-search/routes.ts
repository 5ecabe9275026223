import { implement, type Route } from '../../http/implement.ts'
import { type Reply, rawJson } from '../../http/reply.ts'
import { withRaw } from '../../lib/json/json-text.ts'
import { coveredIds } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import { searchTasks, type TaskRow } from '../../store/tasks/tasks.ts'
import { listedTaskText } from '../tasks/serialize.ts'
import { taskSearchContract } from './contract.ts'

export interface TaskSearchDeps {
  database: Database
}

const hitOf = (row: TaskRow) => ({
  document: {
    collection_name: row.collection_name,
    entity_name: row.name,
    full_name: `${row.collection_name}/${row.name}`,
    entity_type: 'task',
    metadata: null,
    is_private: row.is_private,
    description: row.description,
  },
})

export const taskSearchRoutes = ({ database }: TaskSearchDeps): Route[] => {
  const search = async (ids: readonly number[] | undefined, query: { q: string; limit: number }): Promise<Reply> => {
    const { found, tasks } = await searchTasks(database, ids, { text: query.q, limit: query.limit })
    return rawJson(
      withRaw({ found, q: query.q, hits: tasks.map(hitOf) }, { tasks: `[${tasks.map(listedTaskText).join(',')}]` }),
    )
  }
  return implement(taskSearchContract, {
    searchTasks: ({ collection, query }) => search([collection.id], query),
    searchAllTasks: ({ identity, query }) => search(coveredIds(identity), query),
  })
}
