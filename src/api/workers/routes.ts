import { createHash, randomUUID } from 'node:crypto'
import type { Engine } from '../../engine/engine.ts'
import { type Call, implement, type Route } from '../../http/implement.ts'
import { type LongAnswers, makeLongAnswers, type Reply } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isDeeperThan } from '../../lib/json/json-text.ts'
import { uncheckedByChecker } from '../../lib/json-schema/schema-keywords.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import { now, pause, timestamp } from '../../lib/time.ts'
import { coveredIds, covers, type Identity } from '../../model/collections/identity.ts'
import {
  type ListedWorker,
  listedWorkerSchema,
  type OfferedActivity,
  type RegisterWorker,
} from '../../model/workers/worker.ts'
import { longestPollSeconds, silentPollSeconds, type WorkerJob } from '../../model/workers/worker-job.ts'
import type { JobCall, JobHold, PollingWorker } from '../../model/workers/worker-queue.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { findFile } from '../../store/files/files.ts'
import { findJobCollection } from '../../store/workers/jobs.ts'
import {
  drainWorker,
  findWorker,
  insertWorker,
  type ListedWorkerRow,
  listedWorkers,
  type NewOffer,
  type NotedWorker,
  noteWorkerPolls,
  type RegisteredWorkerRow,
} from '../../store/workers/workers.ts'
import type { AccessWatch } from '../access-watch.ts'
import { fileNotFound, type ReadableObjects, serveFile } from '../files/serve.ts'
import { type StoreUploadDeps, storeFiles } from '../files/store-upload.ts'
import { serializeRow } from '../serialize-row.ts'
import { workersContract } from './contract.ts'

const holdOf = (
  { worker_id: workerId, job_id: id }: { worker_id: string; job_id: string },
  epoch: number,
): JobHold => ({
  ...{ id, workerId, epoch },
})

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

/** A poll of a worker: its key, and the collections that the key covers now (null: all). */
interface NotedPoll {
  id: string
  keyId: number | null
  collectionIds: readonly number[] | null
}

/** Polls of one key that are noted together. */
interface Batch {
  ids: Set<string>
  collectionIds: readonly number[] | null
  noted: Promise<Map<string, NotedWorker>>
}

interface PollNotes {
  /** The labels of a worker that had no jobs when it polled here last, with this key; undefined for another one. */
  idleLabelsOf(poll: NotedPoll): readonly string[] | undefined
  /** Notes a poll, and tells what the database knows of the worker; undefined if the key has no such worker. */
  note(poll: NotedPoll): Promise<NotedWorker | undefined>
  /** Call it when a worker is given jobs: its next poll may have to give them again. */
  noteJobs(id: string): void
}

/** How long the poll of an idle worker waits to be noted, together with others: it waits for jobs meanwhile. */
const gatherMs = 1_000
const mostKnown = 10_000

const makePollNotes = (database: Queries): PollNotes => {
  /** Labels never change after a registration. */
  const idle = makeLru<string, { keyId: number | null; labels: readonly string[] }>(mostKnown)
  const open = new Map<number | null, Batch>()

  const noteAll = async (ids: string[], { keyId, collectionIds }: NotedPoll): Promise<Map<string, NotedWorker>> => {
    const rows = await noteWorkerPolls(database, ids, keyId, collectionIds)
    for (const id of ids) idle.delete(id)
    for (const { id, labels, jobs } of rows) if (jobs === 0) idle.set(id, { keyId, labels })
    return new Map(rows.map((row) => [row.id, row]))
  }

  const begin = (poll: NotedPoll): Batch => {
    const batch: Batch = { ids: new Set(), collectionIds: null, noted: pause(gatherMs).then(() => end()) }
    const end = () => {
      open.delete(poll.keyId)
      return noteAll([...batch.ids], { ...poll, collectionIds: batch.collectionIds })
    }
    open.set(poll.keyId, batch)
    return batch
  }

  const idleLabelsOf = ({ id, keyId }: NotedPoll) => {
    const worker = idle.get(id)
    return worker?.keyId === keyId ? worker.labels : undefined
  }

  return {
    idleLabelsOf,
    noteJobs: (id) => void idle.delete(id),
    async note(poll) {
      if (!idleLabelsOf(poll)) return (await noteAll([poll.id], poll)).get(poll.id)
      const batch = open.get(poll.keyId) ?? begin(poll)
      batch.ids.add(poll.id)
      batch.collectionIds = poll.collectionIds
      return (await batch.noted).get(poll.id)
    },
  }
}

interface PollDeps {
  engine: Engine
  notes: PollNotes
  watchAccess: AccessWatch['watch']
  held: LongAnswers
  /** Collections that a key covers; null: all. */
  coveredBy(identity: PollCall['identity']): readonly number[] | null
  /** Reads the worker of a call anew. Throws `not_found` where the key has no such worker. */
  workerOf(params: PollCall['params'], identity: PollCall['identity']): Promise<{ drained_at: Date | null }>
  noWorker(): Error
}

type PollCall = Call<typeof workersContract.pollJobs>

interface Polled {
  jobs: WorkerJob[]
  drain: boolean
}

/** A worker that waits is noted again with each second line break, as often as one with silent polls. */
const beatsPerNote = 2

/** How long a poll may wait, in ms: not beyond the end of its key. */
const longestWaitMs = ({ identity, stopping, body }: PollCall): number => {
  if (stopping.aborted) return 0
  const left = identity.expiresAt ? identity.expiresAt.getTime() - now() : Number.POSITIVE_INFINITY
  return Math.max(0, Math.min(body.wait_seconds * 1000, left))
}

/** Whether the poll of a worker ends before its time: it is gone or drains, or has jobs that it does not know of. */
const needsMore = (worker: NotedWorker | undefined, { holding }: PollCall['body']): boolean =>
  !worker || worker.drained_at !== null || worker.jobs > (holding?.length ?? worker.jobs)

/** Makes what answers a poll. A worker that had no jobs at its last poll waits for some while this one is noted. */
const makePoll = ({ engine, notes, watchAccess, held, coveredBy, workerOf, noWorker }: PollDeps) => {
  let heardStop: AbortSignal | undefined
  /** One listener for all polls: a signal looks through its listeners for each that is added. */
  const endWith = (stopping: AbortSignal) => {
    if (heardStop === stopping) return
    heardStop = stopping
    stopping.addEventListener('abort', () => engine.workers.endPolls(), { once: true })
  }
  const noted = ({ params, identity }: PollCall) =>
    notes.note({ id: params.worker_id, keyId: identity.keyId, collectionIds: coveredBy(identity) })

  /** Takes jobs, or waits for some until `dueMs`. It waits no longer once `ending` fires. */
  const take = async (call: PollCall, dueMs: number, ending: AbortSignal): Promise<Polled> => {
    const { params, body, identity } = call
    const { free, holding } = body
    const polling = { id: params.worker_id, collectionIds: coveredBy(identity) }
    const waitUntilDue = (worker: Pick<PollingWorker, 'labels' | 'jobs'>, waitMs: number, signal: AbortSignal) =>
      engine.workers.poll({ ...polling, ...worker }, { free, waitMs, holding }, signal)

    const answer = async (jobs: WorkerJob[], drain: boolean) => {
      if (jobs.length > 0) notes.noteJobs(params.worker_id)
      if (drain || jobs.length > 0 || performance.now() >= dueMs) return { jobs, drain }
      // It ended before its time: perhaps because the worker gets no more jobs.
      return { jobs, drain: (await workerOf(params, identity)).drained_at !== null }
    }

    const labels = notes.idleLabelsOf({ ...polling, keyId: identity.keyId })
    const note = noted(call)
    if (labels) {
      let isAgain = false
      const ended = new AbortController()
      const end = () => ended.abort()
      ending.addEventListener('abort', end)
      const look = (worker: NotedWorker | undefined) => {
        isAgain = needsMore(worker, body)
        if (isAgain) end()
      }
      note.then(look, () => look(undefined))
      const jobs = await waitUntilDue({ labels, jobs: 0 }, dueMs - performance.now(), ended.signal)
      if (jobs.length > 0 || !isAgain) return answer(jobs, false)
    }

    const worker = await note
    if (!worker) throw noWorker()
    const isDrained = worker.drained_at !== null
    // A worker that drains still gets the jobs again whose answer was lost.
    const waitMs = isDrained ? 0 : Math.max(0, dueMs - performance.now())
    return answer(await waitUntilDue(worker, waitMs, ending), isDrained)
  }

  return async (call: PollCall): Promise<Polled | Reply> => {
    endWith(call.stopping)
    const waitMs = longestWaitMs(call)
    const over = new AbortController()
    const end = () => over.abort()
    call.onGone(end)
    const unwatch = watchAccess(call.identity, 'change', performance.now(), end)
    const polled = take(call, performance.now() + waitMs, over.signal).finally(unwatch)
    if (waitMs <= silentPollSeconds * 1000) return polled
    const onBeat = (beat: number) => {
      if (beat % beatsPerNote !== 0) return
      noted(call).then(
        (worker) => needsMore(worker, call.body) && end(),
        () => {}, // the database is away: the next note tells
      )
    }
    return held.hold({ answer: polled, instead: { jobs: [], drain: false }, onBeat })
  }
}

const mostSchemaCharacters = 50_000
const deepestSchema = 64
/** Definitions of all activities of a worker together. */
const mostCharacters = 1_000_000
/** Members of a step that mean something to the server. */
const reserved = new Set(['activity', 'options', 'depends_on', 'timeout_sec', 'runs_on'])

/** Checks the activities that a worker registers, and returns them as they are stored. Throws `invalid`. */
const offersFrom = ({ activities, version }: RegisterWorker, hashOf: (text: string) => string): NewOffer[] => {
  const names = new Set<string>()
  let characters = 0
  return activities.map((one, at) => {
    const loc = ['body', 'activities', at]
    if (names.has(one.name)) throw invalidField([...loc, 'name'], `Activity '${one.name}' is listed twice`)
    names.add(one.name)
    requireSchema(one, 'parameters', loc)
    requireSchema(one, 'outputs', loc)
    requireParameterNames(one, loc)
    const offered = { ...one, version: one.version ?? version ?? null }
    const definition = JSON.stringify(offered)
    characters += definition.length
    if (characters > mostCharacters) throw tooLarge()
    return {
      name: offered.name,
      version: offered.version,
      hash: hashOf(definition),
      definition,
      concurrency: one.concurrency ?? null,
      timeoutSeconds: one.timeout_seconds ?? null,
    }
  })
}

type Loc = (string | number)[]

const requireSchema = (one: OfferedActivity, key: 'parameters' | 'outputs', loc: Loc): void => {
  const schema = one[key]
  const text = JSON.stringify(schema)
  if (text.length > mostSchemaCharacters || isDeeperThan(text, deepestSchema)) {
    const most = `at most ${mostSchemaCharacters} characters and ${deepestSchema} levels`
    throw invalidField([...loc, key], `A schema has ${most}`)
  }
  if (schema.type !== undefined && schema.type !== 'object') {
    throw invalidField([...loc, key, 'type'], `Expected {"type": "object", …}, not ${JSON.stringify(schema.type)}`)
  }
  const wrong = uncheckedByChecker(schema).find(({ isWrong }) => isWrong)
  if (wrong) throw invalidField([...loc, key, ...wrong.inside], `'${wrong.keyword}' cannot be checked: ${wrong.why}`)
}

/** A step could not give parameters of these names. */
const requireParameterNames = ({ parameters }: OfferedActivity, loc: Loc): void => {
  for (const name of Object.keys((parameters.properties as object | undefined) ?? {})) {
    if (reserved.has(name) || /_path(_expr)?$/.test(name)) {
      const why = reserved.has(name) ? 'a step uses this name itself' : 'a step would read it as a path'
      throw invalidField([...loc, 'parameters', 'properties', name], `A parameter cannot be named '${name}': ${why}`)
    }
  }
}

const tooLarge = (): AppError =>
  new AppError('too_large', `The activities of a worker take at most ${mostCharacters} characters together`, {
    hint: 'Make the schemas simpler, or register several workers.',
  })

interface Page {
  state: 'online' | 'all'
  limit: number
  cursor?: string | undefined
}

/** A page of the workers that take jobs of collections of the caller. */
const workersPage = async (database: Queries, identity: Identity, { state, limit, cursor }: Page) => {
  if (cursor !== undefined && !/^\d{1,15}$/.test(cursor)) {
    throw new AppError('bad_request', 'Expected the next_cursor of an earlier response, unchanged')
  }
  const before = cursor === undefined ? null : Number(cursor)
  const page = { onlineOnly: state === 'online', before, limit: limit + 1 }
  const rows = await listedWorkers(database, coveredIds(identity), page)
  const shown = rows.slice(0, limit)
  const more = rows.length > limit
  return {
    workers: shown.map(shownWorker),
    next_cursor: more ? String(shown.at(-1)?.number) : null,
    has_more: more,
  }
}

const stateOf = ({ drained_at, is_online, jobs }: ListedWorkerRow): ListedWorker['state'] => {
  if (drained_at) return jobs > 0 ? 'draining' : 'stopped'
  return is_online ? 'online' : 'offline'
}

const shownWorker = (row: ListedWorkerRow): ListedWorker =>
  serializeRow(listedWorkerSchema, row, { worker_id: row.id, state: stateOf(row) })

interface WorkersDeps extends StoreUploadDeps {
  engine: Engine
  objects: ReadableObjects
  settings: { workerLeaseSeconds: number; maxWorkers: number }
  /** Calls back when the key or session of a caller ends or changes. */
  watchAccess: AccessWatch['watch']
  /** Interval of line breaks in long polls; tests shorten it. */
  pollBeatMs?: number | undefined
}

/** Heartbeats in the time of a lease: two may be lost. */
const beatsInLease = 3

export const workersRoutes = (deps: WorkersDeps): Route[] => {
  const { database, engine, objects, settings, watchAccess, pollBeatMs } = deps
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
      held: makeLongAnswers(pollBeatMs),
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

    // A key of workers opens files of the collection only while its worker has a job there.
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

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

const noWorker = (): AppError =>
  new AppError('not_found', 'Worker not found', {
    hint: 'It was not seen for a day, or belongs to another key. Register again.',
  })

const tooMany = (most: number): AppError =>
  new AppError('conflict', `This key has ${most} workers, which is the limit`, {
    hint: 'Stop workers that are not needed (DELETE /api/v1/workers/{worker_id}), or raise JETTY_MAX_WORKERS.',
  })
