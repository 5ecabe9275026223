import type { Database } from './database/database.ts'

export interface AgentRow {
  id: number
  name: string
  type: string | null
  collection_id: number
  collection_name: string
  created_at: Date
}

const columns = 'a.id, a.name, a.type, a.collection_id, c.name as collection_name, a.created_at'
const join = 'join collections c on c.id = a.collection_id'

/** Lists one page of a collection's agents in order of creation. */
export const listAgents = (
  database: Database,
  collectionId: number,
  page: { skip: number; limit: number },
): Promise<AgentRow[]> =>
  database.rows<AgentRow>(
    'list_agents',
    `select ${columns} from agents a ${join} where a.collection_id = $1 order by a.id offset $2 limit $3`,
    [collectionId, page.skip, page.limit],
  )

export const findAgent = async (
  database: Database,
  collectionId: number,
  name: string,
): Promise<AgentRow | undefined> =>
  (
    await database.rows<AgentRow>(
      'find_agent',
      `select ${columns} from agents a ${join} where a.collection_id = $1 and lower(a.name) = lower($2)`,
      [collectionId, name],
    )
  )[0]

/** Creates an agent; undefined when its name is in use. */
export const createAgent = async (
  database: Database,
  collectionId: number,
  agent: Pick<AgentRow, 'name' | 'type'>,
): Promise<AgentRow | undefined> =>
  (
    await database.rows<AgentRow>(
      'create_agent',
      `with c as (select id, name from collections where id = $1 for key share),
       a as (insert into agents (collection_id, name, type) select id, $2, $3 from c on conflict do nothing returning *)
       select ${columns} from a ${join.replace('collections c', 'c')}`,
      [collectionId, agent.name, agent.type],
    )
  )[0]

/** Changes the given fields. Undefined when there is no such agent, `taken` when the new name is in use. */
export const updateAgent = async (
  database: Database,
  at: { collectionId: number; name: string },
  { name, type }: { name?: string | undefined; type?: string | null | undefined },
): Promise<AgentRow | 'taken' | undefined> => {
  try {
    const [row] = await database.rows<AgentRow>(
      'update_agent',
      `with a as (
         update agents set name = coalesce($3, name), type = case when $4 then $5 else type end
         where collection_id = $1 and lower(name) = lower($2) returning *)
       select ${columns} from a ${join}`,
      [at.collectionId, at.name, name ?? null, type !== undefined, type ?? null],
    )
    return row
  } catch (error) {
    if ((error as { code?: string }).code === '23505') return 'taken'
    throw error
  }
}

/** Deletes an agent; false when there was none. */
export const deleteAgent = async (database: Database, collectionId: number, name: string): Promise<boolean> =>
  (
    await database.rows(
      'delete_agent',
      'delete from agents where collection_id = $1 and lower(name) = lower($2) returning id',
      [collectionId, name],
    )
  ).length > 0
