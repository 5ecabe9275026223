import { implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { timestampOrNull } from '../../lib/time.ts'
import { covers, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import type { LineageEdge, LineageNode } from '../../model/data/lineage.ts'
import type { Database } from '../../store/database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { type EntityNode, newestVersions, readNodes, relationshipsOf } from '../../store/entities/relationships.ts'
import { findFile } from '../../store/files/files.ts'
import {
  countItemResults,
  type ItemResultRow,
  listItemResults,
  type ResultState,
} from '../../store/items/dataset-runs.ts'
import {
  batchesOfDataset,
  filesMadeBy,
  itemsMadeFrom,
  type LineageBatch,
  type LineageItem,
  type LineageProduct,
  type LineageRun,
  labelsOn,
  lineageItems,
  lineageRuns,
  productsOfRuns,
  type RunProduct,
  runsAbove,
  runsBelow,
  runsOfItem,
  runsThatMade,
} from '../../store/items/lineage.ts'
import { findRunByKey } from '../../store/runs/runs.ts'
import { findTask } from '../../store/tasks/tasks.ts'
import { getEntity } from '../entities/find.ts'
import { bucketsOf } from '../items/splits.ts'
import { getEntityVersion } from '../versions.ts'
import { lineageContract } from './contract.ts'

const stale: readonly ResultState[] = ['item_changed', 'task_changed', 'failed', 'missing']

const statesOf = (state: ResultState | 'stale' | undefined): readonly ResultState[] | undefined =>
  state === undefined ? undefined : state === 'stale' ? stale : [state]

const shownResult = (row: ItemResultRow) => ({
  id: row.item_id,
  state: row.state,
  hash: row.hash,
  run:
    row.run === null
      ? null
      : {
          trajectory_id: row.run.trajectory_id,
          status: row.run.status,
          error: row.run.error,
          ended: timestampOrNull(row.run.ended_at),
          batch_id: row.run.batch_id,
          dataset_version: row.run.seq,
          item_hash: row.run.hash,
          workflow_hash: row.run.definition,
        },
})

const itemKey = ({ dataset_id, item_id }: { dataset_id: number; item_id: string }) => `item:${dataset_id}:${item_id}`
const entityKey = (type: 'task' | 'entity', id: number) => `${type}:${id}`
const runKey = ({ trajectory_id }: { trajectory_id: string }) => `run:${trajectory_id}`

const plain = { dataset_version: null, item_hash: null, is_stale: null }

/** Collects nodes and edges, each once. */
const makeGraph = () => {
  const nodes = new Map<string, LineageNode>()
  const edges = new Map<string, LineageEdge>()
  const addEdge = (edge: LineageEdge) => void edges.set(`${edge.from} ${edge.to} ${edge.kind}`, edge)

  return {
    hasRun: (trajectoryId: string) => nodes.has(runKey({ trajectory_id: trajectoryId })),
    get size() {
      return nodes.size
    },

    addRun(run: LineageRun) {
      const [, task = ''] = run.name.split('/')
      const { trajectory_id, status, task_version, definition, batch_id } = run
      nodes.set(runKey(run), {
        ...{ id: runKey(run), type: 'run', label: `${run.name}/${trajectory_id}`, task, trajectory_id, status },
        ...{ task_version, workflow_hash: definition, batch_id },
      })
    },

    addItem(item: LineageItem) {
      const { collection, dataset, item_id, current_hash } = item
      const label = `${collection}/${dataset} ${item_id}`
      nodes.set(itemKey(item), { id: itemKey(item), type: 'item', label, collection, dataset, item_id, current_hash })
    },

    /** The item was the input of the run. */
    addInput(item: LineageItem, run: LineageRun) {
      const edge = { from: itemKey(item), to: runKey(run), kind: 'input' as const }
      const isStale = item.current_hash !== run.hash
      addEdge({ ...edge, dataset_version: run.seq, item_hash: run.hash, is_stale: isStale })
    },

    /** The run started the other one as its child. */
    addStarted(run: LineageRun, child: LineageRun) {
      addEdge({ from: runKey(run), to: runKey(child), kind: 'started', ...plain })
    },

    /** The item was made from the run. */
    addMade(run: { trajectory_id: string }, item: LineageItem) {
      addEdge({ from: runKey(run), to: itemKey(item), kind: 'made_into', ...plain })
    },

    addFile(run: LineageRun, { name: path, value }: LineageProduct) {
      const id = `file:${path}`
      const label = path.slice(path.lastIndexOf('/') + 1)
      nodes.set(id, { id, type: 'file', label, path, sha256: value === '' ? null : value })
      addEdge({ from: runKey(run), to: id, kind: 'produced', ...plain })
    },

    /** A dataset, model or task with its newest version, if it has versions. */
    addEntity({ id: key, type, name, collection_name: collection }: EntityNode, version: number) {
      const id = entityKey(type === 'task' ? 'task' : 'entity', key)
      const shared = { id, label: `${collection}/${name}`, collection }
      if (type === 'dataset') nodes.set(id, { ...shared, type, dataset: name, version })
      else if (type === 'task') nodes.set(id, { ...shared, type, task: name })
      else nodes.set(id, { ...shared, type: 'model', model: name, version })
    },

    hasEntity: (type: 'task' | 'entity', id: number) => nodes.has(entityKey(type, id)),

    /** The run registered a version of the dataset or model. */
    addProduct(run: LineageRun, product: RunProduct) {
      const { entity_id: id, kind: type, collection: collection_name } = product
      this.addEntity({ ...product, id, type, collection_name }, product.version)
      const to = entityKey('entity', id)
      addEdge({ ...plain, from: runKey(run), to, kind: 'produced', dataset_version: product.seq })
    },

    /** The batch ran a task over a version of the dataset. */
    addBatch(dataset: { id: number; version: number }, batch: LineageBatch) {
      const { batch_id, task, status, split, total, seq } = batch
      const id = `batch:${batch_id}`
      nodes.set(id, { id, type: 'batch', label: `${task} ×${total}`, task, batch_id, status, split, total })
      const isStale = seq !== dataset.version
      const from = entityKey('entity', dataset.id)
      addEdge({ ...plain, from, to: id, kind: 'input', dataset_version: seq, is_stale: isStale })
    },

    /** The source was declared to be what the target was made from. */
    addDeclared(source: { type: 'task' | 'entity'; id: number }, target: { type: 'task' | 'entity'; id: number }) {
      const [from, to] = [entityKey(source.type, source.id), entityKey(target.type, target.id)]
      addEdge({ ...plain, from, to, kind: 'declared' })
    },

    addScore(run: LineageRun, { name: key, value, author }: LineageProduct) {
      const id = `score:${run.trajectory_id}:${key}:${author ?? ''}`
      nodes.set(id, { id, type: 'score', label: `${key}: ${value}`, key, value, author })
      addEdge({ from: runKey(run), to: id, kind: 'scored', ...plain })
    },

    result: () => ({ nodes: [...nodes.values()], edges: [...edges.values()] }),
  }
}

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

interface LineageDeps {
  database: Database
}

const mostRuns = 100

export const lineageRoutes = ({ database }: LineageDeps): Route[] =>
  implement(lineageContract, {
    listDatasetResults: async ({ collection, params, query }) => {
      const dataset = await getEntity(database, { kind: 'dataset', name: params.dataset }, collection)
      const task = await findTask(database, collection.id, query.task)
      if (!task) throw new AppError('not_found', `Task '${query.task}' in collection '${collection.name}' not found`)
      const { seq } = await getEntityVersion(database, dataset, query.version)
      const buckets = bucketsOf(dataset.splits, query.split)
      const at = { datasetId: dataset.id, seq, buckets, taskId: task.id, definition: task.definition }
      const page = { after: Number(query.cursor ?? 0), limit: query.limit, states: statesOf(query.state) }
      const [counts, { rows, hasMore }] = await Promise.all([
        query.cursor === undefined ? countItemResults(database, at) : null,
        listItemResults(database, at, page),
      ])
      return {
        version: seq,
        task: task.name,
        counts,
        items: rows.map(shownResult),
        next_cursor: hasMore ? String(rows.at(-1)?.position) : null,
      }
    },

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
