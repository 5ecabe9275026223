import { PreviewFailed } from '../../datasets/preview/preview.ts'
import { runPreview } from '../../datasets/preview/run-preview.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { makeProcessQueue } from '../../lib/processes/process-queue.ts'
import { makeSlots, withSpare } from '../../lib/slots.ts'
import { ownerOf } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import { findDatasetFile } from '../../store/entities/dataset-files.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { getEntity } from '../entities/find.ts'
import { previewContract } from './contract.ts'
import { fileSource } from './file-source.ts'

export interface PreviewRouteDeps {
  database: Database
  objects: Pick<ObjectStore, 'open'>
  settings: { previewSeconds: number; previewMemoryBytes: number }
}

/** More processes at once would take the memory of runs. */
const [atOnce, mostWaiting] = [2, 100]

const refused = (error: unknown): unknown =>
  error instanceof PreviewFailed
    ? new AppError('bad_request', error.message, { hint: 'Download the file to look at it.' })
    : error

export const previewRoutes = ({ database, objects, settings }: PreviewRouteDeps): Route[] => {
  const inQueue = makeProcessQueue(makeSlots(withSpare(atOnce)), mostWaiting)
  return implement(previewContract, {
    previewDatasetData: async ({ collection, params }) => {
      const dataset = await getEntity(database, { kind: 'dataset', name: params.dataset }, collection)
      const number = /^\d{1,9}$/.test(params.number) ? Number(params.number) : undefined
      const file = number === undefined ? undefined : await findDatasetFile(database, dataset.id, number)
      if (!file) throw new AppError('not_found', `Data file ${params.number} not found for this dataset`)
      const limits = { seconds: settings.previewSeconds, memoryBytes: settings.previewMemoryBytes }
      return inQueue(ownerOf(collection), () =>
        runPreview(fileSource(objects, file), limits).catch((error: unknown) => {
          throw refused(error)
        }),
      )
    },
  })
}
