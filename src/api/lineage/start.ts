import { AppError, invalidField } from '../../lib/errors.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { runsThatMade } from '../../store/entities/run-products.ts'
import { findFile } from '../../store/files/files.ts'
import { type LineageRun, lineageRuns, runsOfItem } from '../../store/items/lineage.ts'
import { findRunByKey } from '../../store/runs/runs.ts'
import { getEntity } from '../entities/find.ts'

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
export const lineageStart = async (
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
