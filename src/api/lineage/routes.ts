import { implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { covers, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { newestVersions, readNodes, relationshipsOf } from '../../store/entities/relationships.ts'
import { productsOfRuns, runsThatMade } from '../../store/entities/run-products.ts'
import { findFile } from '../../store/files/files.ts'
import {
  batchesOfDataset,
  filesMadeBy,
  itemsMadeFrom,
  type LineageItem,
  type LineageRun,
  labelsOn,
  lineageItems,
  lineageRuns,
  runsAbove,
  runsBelow,
  runsOfItem,
} from '../../store/items/lineage.ts'
import { findRunByKey } from '../../store/runs/runs.ts'
import { getEntity } from '../entities/find.ts'
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

interface Scope {
  database: Database
  collectionId: number
  identity: Identity
}

const mostProducts = 500
/** How many runs an item may go back through: an item made from a run, whose item was made from a run, … */
const mostGenerations = 10

/** Adds the runs from the one that was started for an item down to these; none where no item leads to them. */
const withStarters = async (
  { database, collectionId }: Scope,
  runs: readonly LineageRun[],
): Promise<readonly LineageRun[]> => {
  const started = runs.filter(({ parent_id, dataset_id }) => parent_id !== null && dataset_id === null)
  if (started.length === 0) return runs
  const rows = await runsAbove(database, { collectionId, runKeys: started.map(({ id }) => id) })
  const above = new Map(rows.map((run) => [run.id, run]))
  const starterOf = (run: LineageRun) => (run.dataset_id === null ? above.get(run.parent_id ?? '') : undefined)
  const found = new Map(runs.map((run) => [run.id, run]))
  for (const run of started) {
    const path: LineageRun[] = []
    for (let at = starterOf(run); at; at = starterOf(at)) path.push(at)
    const isOfItem = path.length > 0 && path.at(-1)?.dataset_id !== null
    if (isOfItem) for (const one of path) found.set(one.id, one)
  }
  return [...found.values()]
}

const visibleItems = async ({ database, identity }: Scope, runs: readonly LineageRun[]): Promise<LineageItem[]> => {
  const wanted = runs.flatMap(({ dataset_id, item_id }) =>
    dataset_id === null || item_id === null ? [] : [{ dataset_id, item_id }],
  )
  const items = wanted.length === 0 ? [] : await lineageItems(database, wanted)
  return items.filter((item) => !item.is_private || covers(identity, item.collection_id))
}

/** Adds what led to these runs: their items, the runs that those were made from, and so on. Returns all runs. */
const addOrigins = async (graph: Graph, scope: Scope, first: readonly LineageRun[]): Promise<LineageRun[]> => {
  const { database, collectionId } = scope
  const all: LineageRun[] = []
  let runs = first
  for (let generation = 0; generation < mostGenerations && runs.length > 0; generation++) {
    all.push(...runs)
    for (const run of runs) graph.addRun(run)
    const items = await visibleItems(scope, runs)
    for (const item of items) {
      graph.addItem(item)
      if (item.source_trajectory !== null) graph.addMade({ trajectory_id: item.source_trajectory }, item)
      for (const run of runs) {
        if (run.dataset_id === item.dataset_id && run.item_id === item.item_id) graph.addInput(item, run)
      }
    }
    const sources = items.flatMap(({ source_trajectory: id, collection_id }) =>
      id === null || collection_id !== collectionId || graph.hasRun(id) ? [] : [id],
    )
    const trajectoryIds = [...new Set(sources)]
    const made = trajectoryIds.length === 0 ? [] : await lineageRuns(database, { collectionId, trajectoryIds })
    runs = await withStarters(scope, made)
  }
  return all
}

/** Adds what these runs made: files, labels, items, datasets and models. Returns the length of the longest list. */
const addProducts = async (
  graph: Graph,
  { database, collectionId, identity }: Scope,
  runs: readonly LineageRun[],
): Promise<number> => {
  const byKey = new Map(runs.map((run) => [run.id, run]))
  const runKeys = [...byKey.keys()]
  const [files, labels] = await Promise.all([
    filesMadeBy(database, runKeys, mostProducts),
    labelsOn(database, runKeys, mostProducts),
  ])
  for (const file of files) graph.addFile(byKey.get(file.run_id) as LineageRun, file)
  for (const label of labels) graph.addScore(byKey.get(label.run_id) as LineageRun, label)
  const trajectoryIds = runs.map((run) => run.trajectory_id)
  const made = await itemsMadeFrom(database, { collectionId, trajectoryIds, limit: mostProducts })
  for (const item of made) {
    graph.addItem(item)
    graph.addMade({ trajectory_id: item.source_trajectory ?? '' }, item)
  }
  const products = await productsOfRuns(database, [...byKey.keys()], mostProducts)
  for (const product of products) {
    if (product.is_private && !covers(identity, product.collection_id)) continue
    graph.addProduct(byKey.get(product.run_id) as LineageRun, product)
  }
  return Math.max(files.length, labels.length, made.length, products.length)
}

/**
 * Adds some runs to the graph, with what led to them, the runs that they started, and what came of all of those. Returns
 * false where there is more.
 */
const addAroundRuns = async (graph: Graph, scope: Scope, first: readonly LineageRun[]): Promise<boolean> => {
  const runKeys = first.map(({ id }) => id)
  const below = await runsBelow(scope.database, { collectionId: scope.collectionId, runKeys, limit: mostProducts })
  const begun = await withStarters(scope, first)
  const origins = await addOrigins(graph, scope, begun)
  for (const run of below) graph.addRun(run)
  const all = new Map([...origins, ...below].map((run) => [run.id, run]))
  for (const run of all.values()) {
    const starter = all.get(run.parent_id ?? '')
    if (starter) graph.addStarted(starter, run)
  }
  return Math.max(below.length, await addProducts(graph, scope, [...begun, ...below])) < mostProducts
}
