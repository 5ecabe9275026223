import type { Database } from '../../store/database/database.ts'
import { deleteFileRows, objectsOfDataset } from '../../store/entities/dataset-files.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { deleteEntity, lockEntity } from '../../store/entities/write-entity.ts'
import { removeAll } from '../../store/objects/removal.ts'
import type { PreviewDeps } from './previews.ts'

/** Deletes a dataset without files; false when it has some. An upload under way is waited for: its file would stay. */
const deleteWithoutFiles = (database: Database, id: number): Promise<boolean> =>
  database.transaction(async (queries) => {
    await lockEntity(queries, id)
    if ((await objectsOfDataset(queries, id)).length > 0) return false
    await deleteEntity(queries, id)
    return true
  })

/** Deletes a dataset with its files, bytes before rows: what fails here can be asked for again. */
export const removeDataset = async (
  { database, objects }: Pick<PreviewDeps, 'database' | 'objects'>,
  dataset: EntityRow,
): Promise<void> => {
  for (;;) {
    const rows = await objectsOfDataset(database, dataset.id)
    if (rows.length === 0 && (await deleteWithoutFiles(database, dataset.id))) return
    const failed = await removeAll(
      objects,
      rows.map(({ object }) => object),
    )
    const stuck = new Set(failed?.ids)
    await deleteFileRows(
      database,
      rows.filter(({ object }) => !stuck.has(object)).map(({ path }) => path),
    )
    if (failed) throw failed.cause ?? failed
  }
}
