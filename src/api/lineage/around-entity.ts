import { covers, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { newestVersions, readNodes, relationshipsOf } from '../../store/entities/relationships.ts'
import { batchesOfDataset } from '../../store/items/lineage.ts'
import type { makeGraph } from './graph.ts'

const mostBatches = 100
const mostLinks = 200

type Graph = ReturnType<typeof makeGraph>
type End = { type: 'task' | 'entity'; id: number }

const endOf = (entity: number | null, task: number | null): End | undefined =>
  entity !== null ? { type: 'entity', id: entity } : task !== null ? { type: 'task', id: task } : undefined

/**
 * Adds a dataset or model to the graph, with the batches over it and its declared relationships. Entities that the caller
 * may not see are left out. Returns false where there are more.
 */
export const addAroundEntity = async (
  database: Database,
  graph: Graph,
  { entity, collection, identity }: { entity: EntityRow; collection: FoundCollection; identity: Identity },
): Promise<boolean> => {
  graph.addEntity({ ...entity, type: entity.kind }, entity.version)
  const at = { collectionId: collection.id, datasetId: entity.id, limit: mostBatches + 1 }
  const batches = entity.kind === 'dataset' ? await batchesOfDataset(database, at) : []
  for (const batch of batches.slice(0, mostBatches)) graph.addBatch(entity, batch)
  const found = await relationshipsOf(database, { entityIds: [entity.id], taskIds: [], limit: mostLinks + 1 })
  const links = found.slice(0, mostLinks).flatMap((link) => {
    const source = endOf(link.source_entity_id, link.source_task_id)
    const target = endOf(link.target_entity_id, link.target_task_id)
    return source && target ? [{ source, target }] : []
  })
  const ends = links.flatMap(({ source, target }) => [source, target])
  const idsOf = (type: End['type']) => [...new Set(ends.filter((end) => end.type === type).map(({ id }) => id))]
  const entityIds = idsOf('entity')
  const nodes = await readNodes(database, entityIds, idsOf('task'))
  const versions = await newestVersions(database, entityIds)
  for (const node of nodes) {
    if (node.is_private && !covers(identity, node.collection_id)) continue
    if (!graph.hasEntity(node.type === 'task' ? 'task' : 'entity', node.id))
      graph.addEntity(node, versions.get(node.id) ?? 0)
  }
  for (const { source, target } of links) graph.addDeclared(source, target)
  return batches.length <= mostBatches && found.length <= mostLinks
}
