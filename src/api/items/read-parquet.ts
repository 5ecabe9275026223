import { Readable } from 'node:stream'
import { PreviewFailed } from '../../datasets/preview/preview.ts'
import { readParquetLines } from '../../datasets/preview/run-preview.ts'
import { invalidField } from '../../lib/errors.ts'
import type { Owner } from '../../lib/fair-queue.ts'
import type { ProcessQueue } from '../../lib/processes/process-queue.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { fileSource } from '../previews/file-source.ts'

export interface ReadParquetDeps {
  objects: Pick<ObjectStore, 'open'>
  settings: { maxBatchBytes: number; previewSeconds: number; previewMemoryBytes: number }
}

/** The rows of a stored parquet file as a stream of JSON lines. A process of its own reads it. Throws the 422. */
export const parquetStream = async (
  { objects, settings }: ReadParquetDeps,
  inQueue: ProcessQueue,
  owner: Owner,
  file: { name: string; size: number; object: string },
): Promise<Readable> => {
  const limits = {
    ...{ seconds: settings.previewSeconds, memoryBytes: settings.previewMemoryBytes },
    characters: settings.maxBatchBytes,
  }
  try {
    const lines = await inQueue(owner, () => readParquetLines(fileSource(objects, file), limits))
    return Readable.from(lines.map((text) => Buffer.from(text)))
  } catch (error) {
    throw error instanceof PreviewFailed ? invalidField(['body', 'file'], error.message, 'file_invalid') : error
  }
}
