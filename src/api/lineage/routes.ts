import type { Database } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { covers, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import { findFile } from '../../store/files/files.ts'
import {
  itemsMadeFrom,
  type LineageItem,
  type LineageRun,
  lineageItems,
  lineageRuns,
  productsOf,
  runsAbove,
  runsBelow,
  runsOfItem,
} from '../../store/items/lineage.ts'
import { findRunByKey } from '../../store/runs/runs.ts'
import { getEntity } from '../entities/find.ts'
import { lineageContract } from './contract.ts'
import { makeGraph } from './graph.ts'

export interface LineageDeps {
  database: Database
}

const mostRuns = 100
const mostProducts = 500
/** How many runs an item may go back through: an item made from a run, whose item was made from a run, … */
const mostGenerations = 10

type Query = {
  file?: string | undefined
  trajectory_id?: string | undefined
  dataset?: string | undefined
  item?: string | undefined
}

const nothing = (message: string) => new AppError('not_found', message)

export const lineageRoutes = ({ database }: LineageDeps): Route[] => {
  const runsBy = (collection: FoundCollection, trajectoryIds: string[]) =>
    lineageRuns(database, { collectionId: collection.id, trajectoryIds })

  /** The runs that a query begins with. */
  const startOf = async (collection: FoundCollection, query: Query): Promise<LineageRun[]> => {
    const { file: path, trajectory_id: id, dataset: name, item } = query
    const given = [path, id, name].filter((one) => one !== undefined).length
    if (given !== 1 || (name === undefined) !== (item === undefined)) {
      throw invalidField(['query'], 'Give one of file, trajectory_id, and dataset with item', 'one_of')
    }
    if (name !== undefined && item !== undefined) {
      const dataset = await getEntity(database, { kind: 'dataset', name }, collection)
      const at = { collectionId: collection.id, datasetId: dataset.id, itemId: item, limit: mostRuns + 1 }
      return runsOfItem(database, at)
    }
    if (path === undefined) {
      const runs = await runsBy(collection, [id ?? ''])
      if (runs.length === 0) throw nothing(`Trajectory '${id}' not found in collection '${collection.name}'`)
      return runs
    }
    const file = await findFile(database, path)
    const isHere = file?.collection_id === collection.id
    const run = isHere && file.run_id !== null ? await findRunByKey(database, file.run_id) : undefined
    if (!run) throw nothing(`There is no file '${path}' of a run in collection '${collection.name}'`)
    return runsBy(collection, [run.trajectory_id])
  }

  /** The runs from the one that was started for an item down to these; none where no item leads to them. */
  const runsFromItem = async (collection: FoundCollection, runs: readonly LineageRun[]): Promise<LineageRun[]> => {
    const runKeys = runs.flatMap(({ id, parent_id, dataset_id }) => (parent_id && dataset_id === null ? [id] : []))
    if (runKeys.length === 0) return []
    const above = new Map(
      (await runsAbove(database, { collectionId: collection.id, runKeys })).map((run) => [run.id, run]),
    )
    const found = new Set<LineageRun>()
    for (const run of runs) {
      const path = [run]
      for (
        let at = above.get(run.parent_id ?? '');
        at;
        at = at.dataset_id === null ? above.get(at.parent_id ?? '') : undefined
      ) {
        path.push(at)
      }
      if (path.at(-1)?.dataset_id != null) for (const one of path.slice(1)) found.add(one)
    }
    return [...found]
  }

  const visibleItems = async (identity: Identity, runs: readonly LineageRun[]): Promise<LineageItem[]> => {
    const wanted = runs.flatMap(({ dataset_id, item_id }) =>
      dataset_id === null || item_id === null ? [] : [{ dataset_id, item_id }],
    )
    const items = wanted.length === 0 ? [] : await lineageItems(database, wanted)
    return items.filter((item) => !item.is_private || covers(identity, item.collection_id))
  }

  return implement(lineageContract, {
    getLineage: async ({ collection, identity, query }) => {
      const started = await startOf(collection, query)
      const graph = makeGraph()
      const first = started.slice(0, mostRuns)
      const above = await runsFromItem(collection, first)
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
      const most = Math.max(files.length, labels.length, made.length, below.length)
      const isComplete = started.length <= mostRuns && most < mostProducts
      const { nodes, edges } = graph.result()
      const known = new Set(nodes.map(({ id }) => id))
      return { nodes, edges: edges.filter(({ from, to }) => known.has(from) && known.has(to)), is_complete: isComplete }
    },
  })
}
