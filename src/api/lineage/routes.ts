import { implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { covers, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { newestVersions, readNodes, relationshipsOf } from '../../store/entities/relationships.ts'
import { runsThatMade } from '../../store/entities/run-products.ts'
import { findFile } from '../../store/files/files.ts'
import { batchesOfDataset, type LineageRun, lineageRuns, runsOfItem } from '../../store/items/lineage.ts'
import { findRunByKey } from '../../store/runs/runs.ts'
import { getEntity } from '../entities/find.ts'
import { addAroundRuns } from './around-runs.ts'
import { lineageContract } from './contract.ts'
import { makeGraph } from './graph.ts'

interface LineageQuery {
  file?: string | undefined
  trajectory_id?: string | undefined
  dataset?: string | undefined
  item?: string | undefined
  model?: string | undefined
}

/** What a lineage begins with: runs, one more than are shown if there are more, and the entity that was asked for. */
interface LineageStart {
  runs: LineageRun[]
  entity?: EntityRow
}

const nothing = (message: string) => new AppError('not_found', message)

/** Finds what a query asks for. Throws the 404, and a 422 for none or several. */
const lineageStart = async (
  database: Database,
  collection: FoundCollection,
  query: LineageQuery,
  mostRuns: number,
): Promise<LineageStart> => {
  const { file: path, trajectory_id: id, dataset, item, model } = query
  const given = [path, id, dataset, model].filter((one) => one !== undefined).length
  if (given !== 1 || (item !== undefined && dataset === undefined)) {
    throw invalidField(['query'], 'Give one of file, trajectory_id, model, dataset, and dataset with item', 'one_of')
  }
  const collectionId = collection.id
  const runsBy = (trajectoryIds: string[]) => lineageRuns(database, { collectionId, trajectoryIds })
  const name = dataset ?? model
  if (name !== undefined) {
    const kind = dataset === undefined ? 'trained_model' : 'dataset'
    const entity = await getEntity(database, { kind, name }, collection)
    const limit = mostRuns + 1
    if (item !== undefined) {
      return { runs: await runsOfItem(database, { collectionId, datasetId: entity.id, itemId: item, limit }) }
    }
    return { runs: await runsBy(await runsThatMade(database, { entityId: entity.id, collectionId, limit })), entity }
  }
  if (path === undefined) {
    const runs = await runsBy([id ?? ''])
    if (runs.length === 0) throw nothing(`Trajectory '${id}' not found in collection '${collection.name}'`)
    return { runs }
  }
  const file = await findFile(database, path)
  const run =
    file?.collection_id === collectionId && file.run_id !== null ? await findRunByKey(database, file.run_id) : undefined
  if (!run) throw nothing(`There is no file '${path}' of a run in collection '${collection.name}'`)
  return { runs: await runsBy([run.trajectory_id]) }
}

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
const addAroundEntity = async (
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

export interface LineageDeps {
  database: Database
}

const mostRuns = 100

export const lineageRoutes = ({ database }: LineageDeps): Route[] =>
  implement(lineageContract, {
    getLineage: async ({ collection, identity, query }) => {
      const { runs, entity } = await lineageStart(database, collection, query, mostRuns)
      const graph = makeGraph()
      const scope = { database, collectionId: collection.id, identity }
      const isWhole = await addAroundRuns(graph, scope, runs.slice(0, mostRuns))
      const isAround = entity ? await addAroundEntity(database, graph, { entity, collection, identity }) : true
      const { nodes, edges } = graph.result()
      const known = new Set(nodes.map(({ id }) => id))
      const isComplete = isWhole && isAround && runs.length <= mostRuns
      return { nodes, edges: edges.filter(({ from, to }) => known.has(from) && known.has(to)), is_complete: isComplete }
    },
  })
