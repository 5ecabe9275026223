import { implement, type Route } from '../../http/implement.ts'
import { empty } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { authorOf, covers, type Identity } from '../../model/collections/identity.ts'
import type { ProvenanceNode } from '../../model/data/relationship.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import {
  deleteRelationship,
  type EntityNode,
  ensureRelationship,
  findNode,
  type RelationshipRow,
  readNodes,
  relationshipsOf,
} from '../../store/entities/relationships.ts'
import { getVisibleEntity } from '../entities/find.ts'
import { entityRelationshipsContract } from './contract.ts'

const mostNodes = 1000
const mostLinksAtOnce = 5000

const keyOf = (type: 'task' | 'entity', id: number) => `${type}:${id}`
const nodeKey = ({ type, id }: Pick<EntityNode, 'type' | 'id'>) => keyOf(type === 'task' ? 'task' : 'entity', id)

const endsOf = (link: RelationshipRow) => {
  const end = (entity: number | null, task: number | null) =>
    entity !== null ? keyOf('entity', entity) : task !== null ? keyOf('task', task) : undefined
  return {
    source: end(link.source_entity_id, link.source_task_id),
    target: end(link.target_entity_id, link.target_task_id),
  }
}

const shown = ({ id, name, collection_name, type }: EntityNode, activity: string | null): ProvenanceNode => ({
  id,
  name,
  collection_name,
  entity_type: type,
  activity_name: activity,
  upstream_entities: [],
  downstream_entities: [],
})

const idsOf = (keys: Iterable<string>, type: 'task' | 'entity'): number[] =>
  [...keys].filter((key) => key.startsWith(`${type}:`)).map((key) => Number(key.slice(type.length + 1)))

/**
 * Walks the links from one entity up and down, level by level, and returns the tree. Each entity occurs once. Entities
 * that `isVisible` refuses are left out with all that only they lead to.
 */
const provenanceTree = async (
  queries: Queries,
  start: EntityNode,
  isVisible: (node: EntityNode) => boolean,
): Promise<ProvenanceNode> => {
  const root = shown(start, null)
  const seen = new Map([[nodeKey(start), root]])
  let level = new Set([nodeKey(start)])
  while (level.size > 0 && seen.size < mostNodes) {
    const at = { entityIds: idsOf(level, 'entity'), taskIds: idsOf(level, 'task'), limit: mostLinksAtOnce }
    const links = (await relationshipsOf(queries, at)).map((link) => ({
      ...endsOf(link),
      activity: link.activity_name,
    }))
    const unknown = new Set(links.flatMap(({ source, target }) => [source ?? '', target ?? '']))
    for (const key of seen.keys()) unknown.delete(key)
    const found = await readNodes(queries, idsOf(unknown, 'entity'), idsOf(unknown, 'task'))
    const nodes = new Map(found.filter(isVisible).map((node) => [nodeKey(node), node]))
    const next = new Set<string>()
    const add = (parent: string | undefined, child: string | undefined, side: 'up' | 'down', activity: string) => {
      const from = parent !== undefined && level.has(parent) ? seen.get(parent) : undefined
      const node = child === undefined || seen.has(child) || seen.size >= mostNodes ? undefined : nodes.get(child)
      if (!from || !node || child === undefined) return
      const made = shown(node, activity)
      seen.set(child, made)
      next.add(child)
      from[side === 'up' ? 'upstream_entities' : 'downstream_entities'].push(made)
    }
    for (const { source, target, activity } of links) {
      add(target, source, 'up', activity)
      add(source, target, 'down', activity)
    }
    level = next
  }
  return root
}

export interface EntityRelationshipsDeps {
  database: Database
}

const gone = () => new AppError('not_found', 'One of the two entities has been deleted')
const upper = (word: string) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`

/** Whether a caller may see an entity: it is public, or in a collection that the token covers. */
const isVisibleTo =
  (identity: Identity | undefined) =>
  (node: EntityNode): boolean =>
    !node.is_private || (identity !== undefined && covers(identity, node.collection_id))

/** An end as `type/collection/name`. Unknown and foreign ones get the same error. */
const readEnd = async (
  database: Database,
  role: 'source' | 'target' | 'starting',
  text: string,
  mayUse: (node: EntityNode) => boolean,
): Promise<EntityNode> => {
  const [type, collection, name, ...rest] = text.split('/')
  if (!type || !collection || !name || rest.length > 0) {
    throw new AppError(
      'bad_request',
      `Invalid ${role} entity string format: '${text}'. Expected '{entity_type}/{collection_name}/{entity_name}'.`,
    )
  }
  const node = await findNode(database, { type, collection, name })
  if (node && mayUse(node)) return node
  throw new AppError(
    'not_found',
    `${upper(role)} entity '${name}' of type '${type}' not found in collection '${collection}'.`,
  )
}

export const entityRelationshipsRoutes = ({ database }: EntityRelationshipsDeps): Route[] => {
  /** Reads both ends. The caller must be able to read the source and to change the target. */
  const linkOf = async (
    identity: Identity,
    body: { source_entity_str?: string | null | undefined; target_entity_str: string; activity_name: string },
  ) => {
    const given = body.source_entity_str
    const source = given ? await readEnd(database, 'source', given, isVisibleTo(identity)) : null
    const target = await readEnd(database, 'target', body.target_entity_str, (node) =>
      covers(identity, node.collection_id),
    )
    return { source, target, activity: body.activity_name }
  }
  const noted = ({ target }: { target: EntityNode }) => ({
    target: `${target.type}/${target.collection_name}/${target.name}`,
    collections: [{ id: target.collection_id, name: target.collection_name }],
  })

  return implement(entityRelationshipsContract, {
    createEntityRelationship: async ({ identity, body, note }) => {
      const link = await linkOf(identity, body)
      const row = await ensureRelationship(database, link, authorOf(identity))
      if (!row) throw gone()
      note({ ...noted(link), changes: { activity_name: row.activity_name } })
      return {
        id: row.id,
        source_entity_id: row.source_entity_id ?? row.source_task_id,
        target_entity_id: row.target_entity_id ?? row.target_task_id ?? 0,
        activity_name: row.activity_name,
        agent_id: row.agent_id,
      }
    },

    deleteEntityRelationship: async ({ identity, body, note }) => {
      const link = await linkOf(identity, body)
      note(noted(link))
      if (await deleteRelationship(database, link)) return empty()
      throw new AppError('not_found', 'Entity relationship not found for the specified source, target, and activity.')
    },

    getEntityUpstream: async ({ params, identity }) => {
      const text = `${params.type}/${params.collection}/${params.name}`
      const start = await readEnd(database, 'starting', text, isVisibleTo(identity))
      return provenanceTree(database, start, isVisibleTo(identity))
    },

    getDatasetUpstream: async ({ collection, params, identity }) => {
      const at = { collection, identity, asked: params.collection }
      const { kind: type, ...row } = await getVisibleEntity(database, { kind: 'dataset', name: params.dataset }, at)
      return provenanceTree(database, { ...row, type }, isVisibleTo(identity))
    },
  })
}
