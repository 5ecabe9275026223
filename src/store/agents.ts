import type { Queries } from './database/database.ts'
import { bigint, change, moment, orNull, type Page, query, queryOne, type Row, table, text } from './database/table.ts'

const agents = table('agents', {
  id: bigint,
  name: text,
  type: orNull(text),
  collection_id: bigint,
  created_at: moment,
})

const named = { ...agents.columns, collection_name: text }
export type AgentRow = Row<typeof named>

const columns = `${agents.of('a')}, c.name as collection_name`
const join = 'join collections c on c.id = a.collection_id'

/** Lists one page of a collection's agents in order of creation. */
export const listAgents = query(
  'list_agents',
  named,
  `select ${columns} from agents a ${join} where a.collection_id = $1 order by a.id offset $2 limit $3`,
  (collectionId: number, page: Page) => [collectionId, page.skip, page.limit],
)

export const findAgent = queryOne(
  'find_agent',
  named,
  `select ${columns} from agents a ${join} where a.collection_id = $1 and lower(a.name) = lower($2)`,
  (collectionId: number, name: string) => [collectionId, name],
)

/** Creates an agent; undefined when its name is in use. */
export const createAgent = queryOne(
  'create_agent',
  named,
  `with c as (select id, name from collections where id = $1 for key share),
   a as (insert into agents (collection_id, name, type) select id, $2, $3 from c on conflict do nothing returning *)
   select ${columns} from a ${join.replace('collections c', 'c')}`,
  (collectionId: number, { name, type }: Pick<AgentRow, 'name' | 'type'>) => [collectionId, name, type],
)

interface AgentChange {
  name?: string | undefined
  type?: string | null | undefined
}

const writeAgent = queryOne(
  'update_agent',
  named,
  `with a as (
     update agents set name = coalesce($3, name), type = case when $4 then $5 else type end
     where collection_id = $1 and lower(name) = lower($2) returning *)
   select ${columns} from a ${join}`,
  (at: { collectionId: number; name: string }, { name, type }: AgentChange) => [
    ...[at.collectionId, at.name, name ?? null, type !== undefined, type ?? null],
  ],
)

/** Changes the given fields. Undefined when there is no such agent, `taken` when the new name is in use. */
export const updateAgent = async (
  queries: Queries,
  at: { collectionId: number; name: string },
  change: AgentChange,
): Promise<AgentRow | 'taken' | undefined> => {
  try {
    return await writeAgent(queries, at, change)
  } catch (error) {
    if ((error as { code?: string }).code === '23505') return 'taken'
    throw error
  }
}

/** Deletes an agent; false when there was none. */
export const deleteAgent = change(
  'delete_agent',
  'delete from agents where collection_id = $1 and lower(name) = lower($2) returning id',
  (collectionId: number, name: string) => [collectionId, name],
)
