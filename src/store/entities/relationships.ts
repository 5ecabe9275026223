import type { EntityType } from '../../model/data/entity.ts'
import type { Database, Queries } from '../database/database.ts'
import {
  bigint,
  change,
  namesOf,
  orNull,
  pick,
  query,
  queryOne,
  type Row,
  table,
  text,
  textOf,
} from '../database/table.ts'
import { entities } from './entities.ts'

/** One end of a relationship: a dataset, a trained model or a task. */
const node = {
  ...pick(entities.columns, ['id', 'name', 'collection_id', 'is_private']),
  type: textOf<EntityType>(),
  collection_name: text,
}
export type EntityNode = Row<typeof node>

const relationships = table('entity_relationships', {
  id: bigint,
  source_entity_id: orNull(bigint),
  source_task_id: orNull(bigint),
  target_entity_id: orNull(bigint),
  target_task_id: orNull(bigint),
  activity_name: text,
  agent_id: orNull(bigint),
})
export type RelationshipRow = Row<typeof relationships.columns>

const columns = namesOf(relationships.columns)

const nodes = (where: string) => `
  select e.id, e.kind as type, e.name, e.collection_id, c.name as collection_name, e.is_private
  from entities e join collections c on c.id = e.collection_id where ${where}`
const taskNodes = (where: string) => `
  select e.id, 'task' as type, e.name, e.collection_id, c.name as collection_name, e.is_private
  from tasks e join collections c on c.id = e.collection_id where ${where}`

const isNamed = 'lower(c.name) = lower($1) and lower(e.name) = lower($2)'
const findTaskNode = queryOne('find_task_node', node, taskNodes(isNamed), (collection: string, name: string) => [
  collection,
  name,
])
const findEntityNode = queryOne(
  'find_entity_node',
  node,
  nodes(`${isNamed} and e.kind = $3`),
  (collection: string, name: string, kind: string) => [collection, name, kind],
)

/** Finds what `type/collection/name` names; in any case, as every look-up. */
export const findNode = (
  queries: Queries,
  { type, collection, name }: { type: string; collection: string; name: string },
): Promise<EntityNode | undefined> =>
  type === 'task' ? findTaskNode(queries, collection, name) : findEntityNode(queries, collection, name, type)

/** Reads nodes by their ids, in no order. */
export const readNodes = query(
  'read_nodes',
  node,
  `${nodes('e.id = any($1)')} union all ${taskNodes('e.id = any($2)')}`,
  (entityIds: number[], taskIds: number[]) => [entityIds, taskIds],
)

const versionsOf = query(
  'newest_versions',
  pick(entities.columns, ['id', 'version']),
  'select id, version from entities where id = any($1)',
  (entityIds: number[]) => [entityIds],
)

/** Reads the newest version of entities, by their ids. */
export const newestVersions = async (queries: Queries, entityIds: number[]): Promise<Map<number, number>> => {
  const rows = await versionsOf(queries, entityIds)
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

const insertRelationship = queryOne(
  'create_relationship',
  relationships.columns,
  `insert into entity_relationships (source_entity_id, source_task_id, target_entity_id, target_task_id, activity_name, author)
       values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning ${columns}`,
  (link: Link, author: string) => [...linkValues(link), author],
)
const findRelationship = queryOne(
  'find_relationship',
  relationships.columns,
  `select ${columns} from entity_relationships where ${isLink}`,
  linkValues,
)

/** Creates a relationship, or finds the same one. Undefined when one of its ends is gone. */
export const ensureRelationship = async (
  database: Database,
  link: Link,
  author: string,
): Promise<RelationshipRow | undefined> => {
  try {
    const made = await insertRelationship(database, link, author)
    if (made) return made
  } catch (error) {
    if ((error as { code?: string }).code === '23503') return undefined
    throw error
  }
  return findRelationship(database, link)
}

/** Deletes a relationship; false when there was none. */
export const deleteRelationship = change(
  'delete_relationship',
  `delete from entity_relationships where ${isLink} returning id`,
  linkValues,
)

const touching = (end: string, ids: string): string =>
  `select ${columns} from entity_relationships where ${end} = any(${ids})`

/**
 * Lists the relationships of some entities and tasks, at either end, oldest first. Each end is looked up by itself: one
 * condition for all of them would lead the planner to read the whole table in its order.
 */
export const relationshipsOf = query(
  'relationships_of',
  relationships.columns,
  `select * from (
       ${touching('target_entity_id', '$1')} union ${touching('source_entity_id', '$1')}
       union ${touching('target_task_id', '$2')} union ${touching('source_task_id', '$2')}) links
     order by id limit $3`,
  (at: { entityIds: number[]; taskIds: number[]; limit: number }) => [at.entityIds, at.taskIds, at.limit],
)
