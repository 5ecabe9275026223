import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { covers, type Identity } from '../../model/collections/identity.ts'
import type { JobHold } from '../../model/workers/worker-queue.ts'
import type { Database } from '../../store/database/database.ts'
import { findFile } from '../../store/files/files.ts'
import { findJobCollection } from '../../store/workers/jobs.ts'
import { findWorker } from '../../store/workers/workers.ts'
import { fileNotFound, type ReadableObjects, serveFile } from '../files/serve.ts'
import { type StoreUploadDeps, storeFiles } from '../uploads/store-upload.ts'
import { jobFilesContract } from './contract.ts'

export interface JobFilesDeps extends StoreUploadDeps {
  objects: ReadableObjects
}

/** Finds the collection of a job for the worker that has it. A key that lost the collection meanwhile has lost the job. */
const collectionOfJob = async (database: Database, hold: JobHold, identity: Identity) => {
  if (!(await findWorker(database, hold.workerId, identity.keyId))) {
    throw new AppError('not_found', 'Worker not found', { hint: 'Register again.' })
  }
  const collection = await findJobCollection(database, hold)
  if (collection && covers(identity, collection.id)) return collection
  throw new AppError('conflict', `This worker does not have job '${hold.id}' with epoch ${hold.epoch}`, {
    hint: 'Its files are open to the worker that has it. Drop the job.',
  })
}

/** Files of a job: a key of workers opens no others, and only while the worker has the job. */
export const jobFilesRoutes = (deps: JobFilesDeps): Route[] => {
  const { database, objects } = deps
  const holdOf = (
    { worker_id: workerId, job_id: id }: { worker_id: string; job_id: string },
    epoch: number,
  ): JobHold => ({
    ...{ id, workerId, epoch },
  })
  return implement(jobFilesContract, {
    downloadJobFile: async ({ params, query, identity, method, headers }) => {
      const collection = await collectionOfJob(database, holdOf(params, query.epoch), identity)
      const [, ...rest] = params.path.split('/')
      const file = await findFile(database, [collection.name, ...rest].join('/'))
      if (!file || file.collection_id !== collection.id) throw fileNotFound()
      return serveFile(objects, file, { method, headers }, false)
    },

    uploadJobFile: async (call) => {
      const collection = await collectionOfJob(database, holdOf(call.params, call.body.epoch), call.identity)
      const { first } = await storeFiles(deps, call, { collection, purpose: 'worker', field: 'file' })
      return { path: first.path, name: first.name, size: first.size, content_type: first.contentType }
    },
  })
}
