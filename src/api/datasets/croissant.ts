import { exportCroissant } from '../../datasets/croissant/export.ts'
import { AppError } from '../../lib/errors.ts'
import { type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import type { Database } from '../../store/database/database.ts'
import { type DatasetFileRow, listDatasetFiles } from '../../store/entities/dataset-files.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { newestItems } from '../../store/entities/write-entity.ts'
import { describeExport } from '../items/exported-file.ts'
import { shownDataFile } from './data-files.ts'

const mostFiles = 20_000
const filesAtOnce = 1000
const wholeVersion = /^\d+\.\d+\.\d+$/

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** Reads all data files of a dataset, page by page. Throws `too_large` for more than one document should have. */
const allFiles = async (database: Database, dataset: EntityRow): Promise<DatasetFileRow[]> => {
  const files: DatasetFileRow[] = []
  for (let after = -1; ; ) {
    const page = await listDatasetFiles(database, dataset.id, { after, limit: filesAtOnce })
    files.push(...page)
    if (files.length > mostFiles) {
      throw new AppError('too_large', `Dataset '${dataset.name}' has more than ${mostFiles} data files`, {
        hint: 'A Croissant document names each of them. List them with GET …/data, or put several into one archive.',
      })
    }
    if (page.length < filesAtOnce) return files
    after = page.at(-1)?.number ?? after
  }
}

/** Describes the newest version of a dataset as a Croissant document: its data files, and its items as JSON lines. */
export const croissantOf = async (
  { database, links }: { database: Database; links: { readonly publicUrl: string } },
  dataset: EntityRow,
): Promise<JsonObject> => {
  const url = `${links.publicUrl}/api/v1/datasets/${dataset.collection_name}/${dataset.name}`
  const rows = await allFiles(database, dataset)
  const files = rows.flatMap((row) => {
    const { download_url, size, sha256, content_type } = shownDataFile(row, dataset, links.publicUrl)
    return sha256 === null ? [] : [{ name: row.name, url: download_url, mediaType: content_type, bytes: size, sha256 }]
  })
  const at = { datasetId: dataset.id, seq: dataset.version }
  const hasItems = ((await newestItems(database, dataset))?.count ?? 0) > 0
  const items = hasItems
    ? {
        ...{ name: 'items.jsonl', mediaType: 'application/jsonlines' },
        url: `${url}/items/export?version=~${dataset.version}&format=jsonl`,
        ...(await describeExport(database, at)),
      }
    : undefined
  const metadata = dataset.metadata === null ? {} : (parsedObject(dataset.metadata) ?? {})
  const version = dataset.metadata_version ?? ''
  return exportCroissant({
    name: dataset.name,
    url: text(metadata.url) ?? url,
    description: dataset.long_description ?? text(metadata.description) ?? dataset.name,
    license: text(metadata.license),
    citeAs: text(metadata.citeAs),
    version: wholeVersion.test(version) ? version : `0.0.${dataset.version}`,
    published: dataset.created_at,
    files: [...files, ...(items ? [items] : [])],
  })
}
