import { deleteFileRows, objectsOfDataset } from '../../store/entities/dataset-files.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { deleteEntity } from '../../store/entities/write-entity.ts'
import { removeAll } from '../../store/objects/removal.ts'
import type { PreviewDeps } from './previews.ts'

/** Deletes a dataset with its files, bytes before rows: what fails here can be asked for again. */
export const removeDataset = async (
  { database, objects }: Pick<PreviewDeps, 'database' | 'objects'>,
  dataset: EntityRow,
): Promise<void> => {
  for (;;) {
    const rows = await objectsOfDataset(database, dataset.id)
    if (rows.length === 0) break
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
  await deleteEntity(database, dataset.id)
}
