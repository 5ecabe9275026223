import { AppError } from '../../lib/errors.ts'
import { allPages } from '../all-pages.ts'
import type { DatasetPlace } from '../input/places.ts'
import { attempt, type CopyContext, orMissing } from './copy-context.ts'
import { copyItems } from './copy-items.ts'

/** Number of the last data file that the target has; -1: none. */
const lastAtTarget = async ({ target }: CopyContext, params: DatasetPlace): Promise<number> => {
  for (let after = -1; ; ) {
    const { files, has_more } = await target.listDatasetData({ params, query: { after, limit: 1000 } })
    after = files.at(-1)?.file_number ?? after
    if (!has_more) return after
  }
}

/** Copies the data files that the target lacks, in the order of their numbers. */
const copyData = async (context: CopyContext, params: DatasetPlace): Promise<void> => {
  const { source, target, fetchSource, log, signal } = context
  for (let after = await lastAtTarget(context, params); ; ) {
    const { files, has_more } = await source.listDatasetData({ params, query: { after, limit: 100 } })
    for (const { file_path: path, file_number, content_type: type } of files) {
      signal.throwIfAborted()
      if (file_number <= after) throw new AppError('conflict', 'The source lists its data files out of order')
      const answer = (await fetchSource('downloadFile', { params: { path }, asResponse: true })) as Response
      const content = new Blob([await answer.arrayBuffer()], { type })
      const name = path.slice(path.lastIndexOf('/') + 1)
      await target.uploadDatasetData({ params, body: {}, files: [{ field: 'data_file', name, content }] })
      log.count('data files')
      after = file_number
    }
    if (!has_more || files.length === 0) return
  }
}

const copyDataset = async (context: CopyContext, params: DatasetPlace): Promise<void> => {
  const { source, target, log, copiesFiles } = context
  const theirs = await source.getDataset({ params })
  if (await orMissing(target.getDataset({ params }))) log.count('datasets that were there')
  else {
    const { name, long_description, format, metadata_version, dataset_metadata, asset_origin, is_private } = theirs
    const { item_schema = null, splits = null } = theirs
    const body = { name, long_description, format, metadata_version, dataset_metadata, asset_origin, is_private }
    await target.createDataset({
      params: { collection: params.collection },
      body: { ...body, item_schema, splits },
    })
    log.count('datasets created')
  }
  await copyItems(context, params)
  if (copiesFiles) await copyData(context, params)
}

/** Copies the datasets of a collection with their metadata, items and data files. A server without datasets has none. */
export const copyDatasets = async (context: CopyContext, collection: string): Promise<void> => {
  const listed = await orMissing(
    allPages(100, (query) => context.source.listDatasets({ params: { collection }, query })),
  )
  for (const { name } of listed ?? []) {
    await attempt(context, `${collection}: dataset ${name}`, () => copyDataset(context, { collection, dataset: name }))
  }
}
