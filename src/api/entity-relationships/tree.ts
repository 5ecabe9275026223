import type { ProvenanceNode } from '../../model/data/relationship.ts'
import type { Queries } from '../../store/database/database.ts'
import {
  type EntityNode,
  type RelationshipRow,
  readNodes,
  relationshipsOf,
} from '../../store/entities/relationships.ts'

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
export const provenanceTree = async (
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
