import type { Database } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { covers, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import { productsOfRuns } from '../../store/entities/run-products.ts'
import {
  itemsMadeFrom,
  type LineageItem,
  type LineageRun,
  lineageItems,
  lineageRuns,
  productsOf,
  runsBelow,
} from '../../store/items/lineage.ts'
import { addAroundEntity } from './around-entity.ts'
import { lineageContract } from './contract.ts'
import { makeGraph } from './graph.ts'
import { runsFromItem } from './runs-from-item.ts'
import { lineageStart } from './start.ts'

export interface LineageDeps {
  database: Database
}

const mostRuns = 100
const mostProducts = 500
/** How many runs an item may go back through: an item made from a run, whose item was made from a run, … */
const mostGenerations = 10

export const lineageRoutes = ({ database }: LineageDeps): Route[] => {
  const runsBy = (collection: FoundCollection, trajectoryIds: string[]) =>
    lineageRuns(database, { collectionId: collection.id, trajectoryIds })

  const visibleItems = async (identity: Identity, runs: readonly LineageRun[]): Promise<LineageItem[]> => {
    const wanted = runs.flatMap(({ dataset_id, item_id }) =>
      dataset_id === null || item_id === null ? [] : [{ dataset_id, item_id }],
    )
    const items = wanted.length === 0 ? [] : await lineageItems(database, wanted)
    return items.filter((item) => !item.is_private || covers(identity, item.collection_id))
  }

  return implement(lineageContract, {
    getLineage: async ({ collection, identity, query }) => {
      const { runs: started, entity } = await lineageStart(database, collection, query, mostRuns)
      const graph = makeGraph()
      const first = started.slice(0, mostRuns)
      const above = await runsFromItem(database, collection, first)
      const firstKeys = first.map(({ id }) => id)
      const below = await runsBelow(database, { collectionId: collection.id, runKeys: firstKeys, limit: mostProducts })
      let runs = [...above, ...first]
      for (let generation = 0; generation < mostGenerations && runs.length > 0; generation++) {
        for (const run of runs) graph.addRun(run)
        const items = await visibleItems(identity, runs)
        for (const item of items) {
          graph.addItem(item)
          if (item.source_trajectory !== null) graph.addMade({ trajectory_id: item.source_trajectory }, item)
          for (const run of runs) {
            if (run.dataset_id === item.dataset_id && run.item_id === item.item_id) graph.addInput(item, run)
          }
        }
        const sources = items.flatMap(({ source_trajectory: id, collection_id }) =>
          id === null || collection_id !== collection.id || graph.hasRun(id) ? [] : [id],
        )
        runs = sources.length === 0 ? [] : await runsBy(collection, [...new Set(sources)])
      }
      for (const run of below) graph.addRun(run)
      const byKey = new Map([...first, ...below].map((run) => [run.id, run]))
      const starters = new Map([...above, ...byKey.values()].map((run) => [run.id, run]))
      for (const run of starters.values()) {
        const starter = starters.get(run.parent_id ?? '')
        if (starter) graph.addStarted(starter, run)
      }
      const { files, labels } = await productsOf(database, [...byKey.keys()], mostProducts)
      for (const file of files) graph.addFile(byKey.get(file.run_id) as LineageRun, file)
      for (const label of labels) graph.addScore(byKey.get(label.run_id) as LineageRun, label)
      const ids = first.map((run) => run.trajectory_id)
      const made = await itemsMadeFrom(database, {
        collectionId: collection.id,
        trajectoryIds: ids,
        limit: mostProducts,
      })
      for (const item of made) {
        graph.addItem(item)
        graph.addMade({ trajectory_id: item.source_trajectory ?? '' }, item)
      }
      const products = await productsOfRuns(database, [...byKey.keys()], mostProducts)
      for (const product of products) {
        if (product.is_private && !covers(identity, product.collection_id)) continue
        graph.addProduct(byKey.get(product.run_id) as LineageRun, product)
      }
      const isAround = entity ? await addAroundEntity(database, graph, { entity, collection, identity }) : true
      const { nodes, edges } = graph.result()
      const most = Math.max(files.length, labels.length, made.length, below.length, products.length)
      const isComplete = isAround && started.length <= mostRuns && most < mostProducts
      const known = new Set(nodes.map(({ id }) => id))
      return { nodes, edges: edges.filter(({ from, to }) => known.has(from) && known.has(to)), is_complete: isComplete }
    },
  })
}
