import { createHash, randomUUID } from 'node:crypto'
import type { Engine } from '../../engine/engine.ts'
import { makeHeldAnswers } from '../../http/held-answer.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import type { Identity } from '../../model/collections/identity.ts'
import { longestPollSeconds } from '../../model/workers/worker-job.ts'
import type { JobCall } from '../../model/workers/worker-queue.ts'
import type { Database } from '../../store/database/database.ts'
import { drainWorker, findWorker, insertWorker, type RegisteredWorkerRow } from '../../store/workers/workers.ts'
import type { AccessWatch } from '../access-watch.ts'
import { workersContract } from './contract.ts'
import { workersPage } from './list.ts'
import { offersFrom } from './offers.ts'
import { makePoll } from './poll.ts'
import { makePollNotes } from './poll-notes.ts'

export interface WorkersDeps {
  database: Database
  engine: Engine
  settings: { workerLeaseSeconds: number; maxWorkers: number }
  /** Calls back when the key or session of a caller ends or changes. */
  watchAccess: AccessWatch['watch']
  /** Interval of line breaks in long polls; tests shorten it. */
  pollBeatMs?: number | undefined
}

/** Heartbeats in the time of a lease: two may be lost. */
const beatsInLease = 3

export const workersRoutes = (deps: WorkersDeps): Route[] => {
  const { database, engine, settings, watchAccess, pollBeatMs } = deps
  const workerOf = async (
    { worker_id: id }: { worker_id: string },
    identity: Identity,
    owner: number | null | 'any' = identity.keyId,
  ): Promise<RegisteredWorkerRow> => {
    const worker = await findWorker(database, id, owner)
    if (worker) return worker
    throw noWorker()
  }
  const coveredBy = ({ kind, collectionIds }: Identity) => (kind === 'admin' ? null : collectionIds)
  const jobCall = async ({
    params,
    body,
    identity,
  }: {
    params: { worker_id: string; job_id: string }
    body: { epoch: number }
    identity: Identity
  }): Promise<JobCall> => {
    const { id: workerId } = await workerOf(params, identity)
    return { id: params.job_id, workerId, epoch: body.epoch, collectionIds: coveredBy(identity) }
  }

  return implement(workersContract, {
    registerWorker: async ({ body, identity }) => {
      const id = randomUUID()
      const { name, version = null, labels, concurrency } = body
      const covered = coveredBy(identity)
      const worker = { id, name, version, labels: [...new Set(labels)], concurrency, key_id: identity.keyId }
      const collectionIds = covered && [...covered]
      const row = { ...worker, collection_ids: collectionIds, offers: offersFrom(body, hashOf) }
      if (!(await insertWorker(database, row, settings.maxWorkers))) throw tooMany(settings.maxWorkers)
      return {
        worker_id: id,
        lease_seconds: settings.workerLeaseSeconds,
        heartbeat_seconds: settings.workerLeaseSeconds / beatsInLease,
        poll_seconds: longestPollSeconds,
      }
    },

    listWorkers: ({ query, identity }) => workersPage(database, identity, query),

    pollJobs: makePoll({
      ...{ engine, coveredBy, workerOf, noWorker, watchAccess },
      notes: makePollNotes(database),
      held: makeHeldAnswers(pollBeatMs),
    }),

    heartbeatJob: async (call) => {
      const { cancelled, leaseExpiresAt } = await engine.workers.heartbeat(await jobCall(call), call.body)
      return { cancelled, lease_expires_at: timestamp(leaseExpiresAt) }
    },

    completeJob: async (call) => ({ status: await engine.workers.complete(await jobCall(call), call.body) }),

    failJob: async (call) => ({ status: await engine.workers.fail(await jobCall(call), call.body) }),

    stopWorker: async ({ params, identity }) => {
      const { id } = await workerOf(params, identity, identity.kind === 'admin' ? 'any' : identity.keyId)
      return { jobs: await drainWorker(database, id) }
    },
  })
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

const noWorker = (): AppError =>
  new AppError('not_found', 'Worker not found', {
    hint: 'It was not seen for a day, or belongs to another key. Register again.',
  })

const tooMany = (most: number): AppError =>
  new AppError('conflict', `This key has ${most} workers, which is the limit`, {
    hint: 'Stop workers that are not needed (DELETE /api/v1/workers/{worker_id}), or raise JETTY_MAX_WORKERS.',
  })
