import type { Database } from '../database/database.ts'

export interface AgentRow {
  id: number
  name: string
  type: string | null
  collection_id: number
  created_at: Date
}

/** Lists one page of a collection's agents in order of creation. */
export const listAgents = (
  database: Database,
  collectionId: number,
  page: { skip: number; limit: number },
): Promise<AgentRow[]> =>
  database.rows(
    'list_agents',
    `select id, name, type, collection_id, created_at from agents where collection_id = $1
     order by id offset $2 limit $3`,
    [collectionId, page.skip, page.limit],
  )
