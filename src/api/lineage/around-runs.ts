import { covers, type Identity } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import { productsOfRuns } from '../../store/entities/run-products.ts'
import {
  filesMadeBy,
  itemsMadeFrom,
  type LineageItem,
  type LineageRun,
  labelsOn,
  lineageItems,
  lineageRuns,
  runsAbove,
  runsBelow,
} from '../../store/items/lineage.ts'
import type { makeGraph } from './graph.ts'

interface Scope {
  database: Database
  collectionId: number
  identity: Identity
}

type Graph = ReturnType<typeof makeGraph>

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
export const addAroundRuns = async (graph: Graph, scope: Scope, first: readonly LineageRun[]): Promise<boolean> => {
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
