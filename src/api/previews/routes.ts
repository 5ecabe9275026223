import type { Database } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { makeSlots } from '../../lib/slots.ts'
import { PreviewFailed, type PreviewSource } from '../../preview/preview.ts'
import { runPreview } from '../../preview/run-preview.ts'
import { type DatasetFileRow, findDatasetFile } from '../../store/entities/dataset-files.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { getEntity } from '../entities/find.ts'
import { previewContract } from './contract.ts'

export interface PreviewRouteDeps {
  database: Database
  objects: Pick<ObjectStore, 'open'>
  settings: { previewSeconds: number; previewMemoryBytes: number }
}

/** Each preview is a process; more of them at once would take the memory of runs. */
const processesAtOnce = 2

const sourceOf = (objects: PreviewRouteDeps['objects'], file: DatasetFileRow): PreviewSource => ({
  name: file.name,
  size: file.size,
  read: async (start, end) => {
    const last = Math.min(end, file.size) - 1
    if (last < start) return new Uint8Array()
    const { stream } = await objects.open(file.object, { start, end: last })
    const chunks: Buffer[] = []
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
    return Buffer.concat(chunks)
  },
})

const refused = (error: unknown): unknown =>
  error instanceof PreviewFailed
    ? new AppError('bad_request', error.message, { hint: 'Download the file to look at it.' })
    : error

export const previewRoutes = ({ database, objects, settings }: PreviewRouteDeps): Route[] => {
  const slots = makeSlots(processesAtOnce)
  return implement(previewContract, {
    previewDatasetData: async ({ collection, params }) => {
      const dataset = await getEntity(database, { kind: 'dataset', name: params.dataset }, collection)
      const number = /^\d{1,9}$/.test(params.number) ? Number(params.number) : undefined
      const file = number === undefined ? undefined : await findDatasetFile(database, dataset.id, number)
      if (!file) throw new AppError('not_found', `Data file ${params.number} not found for this dataset`)
      await slots.acquire(collection.id)
      try {
        const limits = { seconds: settings.previewSeconds, memoryBytes: settings.previewMemoryBytes }
        return await runPreview(sourceOf(objects, file), limits)
      } catch (error) {
        throw refused(error)
      } finally {
        slots.release()
      }
    },
  })
}
