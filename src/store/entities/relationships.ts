import type { EntityType } from '../../model/data/entity.ts'
import type { Database, Queries } from '../database/database.ts'

/** One end of a relationship: a dataset, a trained model or a task. */
export interface EntityNode {
  id: number
  type: EntityType
  name: string
  collection_id: number
  collection_name: string
  is_private: boolean
}

export interface RelationshipRow {
  id: number
  source_entity_id: number | null
  source_task_id: number | null
  target_entity_id: number | null
  target_task_id: number | null
  activity_name: string
  agent_id: number | null
}

const columns = 'id, source_entity_id, source_task_id, target_entity_id, target_task_id, activity_name, agent_id'

const nodes = (where: string) => `
  select e.id, e.kind as type, e.name, e.collection_id, c.name as collection_name, e.is_private
  from entities e join collections c on c.id = e.collection_id where ${where}`
const taskNodes = (where: string) => `
  select e.id, 'task' as type, e.name, e.collection_id, c.name as collection_name, e.is_private
  from tasks e join collections c on c.id = e.collection_id where ${where}`

/** Finds what `type/collection/name` names; in any case, as every look-up. */
export const findNode = async (
  queries: Queries,
  at: { type: string; collection: string; name: string },
): Promise<EntityNode | undefined> => {
  const where = 'lower(c.name) = lower($1) and lower(e.name) = lower($2)'
  const [row] =
    at.type === 'task'
      ? await queries.rows<EntityNode>('find_task_node', taskNodes(where), [at.collection, at.name])
      : await queries.rows<EntityNode>('find_entity_node', nodes(`${where} and e.kind = $3`), [
          at.collection,
          at.name,
          at.type,
        ])
  return row
}

/** Reads nodes by their ids, in no order. */
export const readNodes = (queries: Queries, entityIds: number[], taskIds: number[]): Promise<EntityNode[]> =>
  queries.rows<EntityNode>('read_nodes', `${nodes('e.id = any($1)')} union all ${taskNodes('e.id = any($2)')}`, [
    entityIds,
    taskIds,
  ])

/** Reads the newest version of entities, by their ids. */
export const newestVersions = async (queries: Queries, entityIds: number[]): Promise<Map<number, number>> => {
  const rows = await queries.rows<{ id: number; version: number }>(
    'newest_versions',
    'select id, version from entities where id = any($1)',
    [entityIds],
  )
  return new Map(rows.map(({ id, version }) => [id, version]))
}

const ids = (node: EntityNode | null): [number | null, number | null] =>
  node === null ? [null, null] : node.type === 'task' ? [null, node.id] : [node.id, null]

interface Link {
  source: EntityNode | null
  target: EntityNode
  activity: string
}

const isLink = `source_entity_id is not distinct from $1 and source_task_id is not distinct from $2
  and coalesce(target_entity_id, 0) = coalesce($3::bigint, 0) and coalesce(target_task_id, 0) = coalesce($4::bigint, 0)
  and activity_name = $5`

const linkValues = ({ source, target, activity }: Link) => [...ids(source), ...ids(target), activity]

/** Creates a relationship, or finds the same one. Undefined when one of its ends is gone. */
export const ensureRelationship = async (
  database: Database,
  link: Link,
  author: string,
): Promise<RelationshipRow | undefined> => {
  try {
    const [made] = await database.rows<RelationshipRow>(
      'create_relationship',
      `insert into entity_relationships (source_entity_id, source_task_id, target_entity_id, target_task_id, activity_name, author)
       values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning ${columns}`,
      [...linkValues(link), author],
    )
    if (made) return made
  } catch (error) {
    if ((error as { code?: string }).code === '23503') return undefined
    throw error
  }
  const [found] = await database.rows<RelationshipRow>(
    'find_relationship',
    `select ${columns} from entity_relationships where ${isLink}`,
    linkValues(link),
  )
  return found
}

/** Deletes a relationship; false when there was none. */
export const deleteRelationship = async (queries: Queries, link: Link): Promise<boolean> =>
  (
    await queries.rows(
      'delete_relationship',
      `delete from entity_relationships where ${isLink} returning id`,
      linkValues(link),
    )
  ).length > 0

const touching = (end: string, ids: string): string =>
  `select ${columns} from entity_relationships where ${end} = any(${ids})`

/**
 * Lists the relationships of some entities and tasks, at either end, oldest first. Each end is looked up by itself: one
 * condition for all of them would lead the planner to read the whole table in its order.
 */
export const relationshipsOf = (
  queries: Queries,
  at: { entityIds: number[]; taskIds: number[]; limit: number },
): Promise<RelationshipRow[]> =>
  queries.rows<RelationshipRow>(
    'relationships_of',
    `select * from (
       ${touching('target_entity_id', '$1')} union ${touching('source_entity_id', '$1')}
       union ${touching('target_task_id', '$2')} union ${touching('source_task_id', '$2')}) links
     order by id limit $3`,
    [at.entityIds, at.taskIds, at.limit],
  )
