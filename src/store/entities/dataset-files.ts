import type { BucketPlace } from '../buckets/collection-buckets.ts'
import { lostFilesUsage } from '../collections/quota.ts'
import type { Queries } from '../database/database.ts'
import { change, int, orNull, pick, query, queryOne, queryValue, type Row } from '../database/table.ts'
import { type FileRow, files } from '../files/files.ts'

/** A file of a dataset; the preview has no number. */
const datasetFile = { number: orNull(int), ...files.columns }
export type DatasetFileRow = Row<typeof datasetFile>

/** A file whose object is already stored. */
interface NewDatasetFile {
  path: string
  object: string
  name: string
  contentType: string
  size: number
  sha256: string
  /** Where the bytes are, if they are in the bucket of the collection. */
  bucket?: BucketPlace | undefined
}

const columns = `d.number, ${files.of('f')}`
const join = 'dataset_files d join files f on f.path = d.path'

/** The number that the next data file gets. The dataset must be locked. */
export const nextFileNumber = queryValue(
  'next_dataset_file',
  { next: int },
  'select coalesce(max(number) + 1, 0) as next from dataset_files where dataset_id = $1',
  (datasetId: number) => [datasetId],
)

const hasBytes = change(
  'dataset_has_bytes',
  `select from ${join} where d.dataset_id = $1 and d.number is not null and f.sha256 = $2 limit 1`,
  (datasetId: number, sha256: string) => [datasetId, sha256],
)

/** Whether a data file of the dataset has these bytes. A file without a hash has none that are known. */
export const datasetHasBytes = async (
  queries: Queries,
  datasetId: number,
  { sha256 }: Pick<FileRow, 'sha256'>,
): Promise<boolean> => sha256 !== null && hasBytes(queries, datasetId, sha256)

/** Inserts a data file, or the preview when the number is null. The dataset must be locked. */
export const insertDatasetFile = change(
  'insert_dataset_file',
  `with kept as (
       insert into files (path, collection_id, object, name, content_type, size, sha256, bucket)
       values ($3, $2, $4, $5, $6, $7, $8, $10) returning path)
     insert into dataset_files (path, dataset_id, number) select path, $1, $9 from kept`,
  (at: { datasetId: number; collectionId: number; number: number | null }, file: NewDatasetFile) => [
    ...[at.datasetId, at.collectionId, file.path, file.object, file.name, file.contentType, file.size, file.sha256],
    at.number,
    file.bucket ? JSON.stringify(file.bucket) : null,
  ],
)

export const findDatasetFile = queryOne(
  'find_dataset_file',
  datasetFile,
  `select ${columns} from ${join} where d.dataset_id = $1 and coalesce(d.number, -1) = $2`,
  (datasetId: number, number: number) => [datasetId, number],
)

export const findPreviewFile = (queries: Queries, datasetId: number): Promise<DatasetFileRow | undefined> =>
  findDatasetFile(queries, datasetId, -1)

/** Finds the data file with the highest number. */
export const newestDatasetFile = queryOne(
  'newest_dataset_file',
  datasetFile,
  `select ${columns} from ${join} where d.dataset_id = $1 and d.number is not null
       order by coalesce(d.number, -1) desc limit 1`,
  (datasetId: number) => [datasetId],
)

/** Lists data files after a number, in order. */
export const listDatasetFiles = query(
  'list_dataset_files',
  datasetFile,
  `select ${columns} from ${join} where d.dataset_id = $1 and coalesce(d.number, -1) > $2
     order by coalesce(d.number, -1) limit $3`,
  (datasetId: number, { after, limit }: { after: number; limit: number }) => [datasetId, after, limit],
)

/** Objects of a dataset's files, the preview included: at most 1,000 of them. */
export const objectsOfDataset = query(
  'objects_of_dataset',
  pick(files.columns, ['object', 'path']),
  `select f.object, f.path from ${join} where d.dataset_id = $1 order by f.path limit 1000`,
  (datasetId: number) => [datasetId],
)

/** Deletes the rows of files whose bytes are gone. */
export const deleteFileRows = change(
  'delete_dataset_files', // cascades to dataset_files
  `with gone as (delete from files where path = any($1) returning collection_id, case when bucket is null then size else 0 end size), ${lostFilesUsage} select from gone`,
  (paths: readonly string[]) => [paths],
)
