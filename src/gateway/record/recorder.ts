import { isAscii } from 'node:buffer'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Engine } from '../../engine/engine.ts'
import { AppError } from '../../lib/errors.ts'
import { mediaFileOf } from '../../lib/files/media-file.ts'
import { inTime } from '../../lib/in-time.ts'
import { memberPieces } from '../../lib/json/json-members.ts'
import { maxJsonDepth } from '../../lib/json/json-text.ts'
import { parseLarge, smallJson, writePieces } from '../../lib/json/large-json.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import { doInSlices, nextSlice } from '../../lib/slices.ts'
import { makeSlots, withSlot } from '../../lib/slots.ts'
import { parseTrace } from '../../lib/text/trace-context.ts'
import type { RecordDestination, RecordedCall } from '../../model/gateway/recorded-call.ts'
import type { NewFile } from '../../model/runs/new-run.ts'
import { callStep } from '../../model/runs/own-tasks.ts'
import { stepFailed } from '../../model/runs/step-failed.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Queries } from '../../store/database/database.ts'
import { stepFilePath } from '../../store/files/storage-path.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { parentName } from '../../store/runs/call-witnesses.ts'
import { type Placed, rowLimit } from '../../store/runs/payloads.ts'
import { type RecordTask, taskForRecords } from '../../store/tasks/tasks.ts'
import { workflows } from '../own-workflows.ts'
import { upstreamBody } from '../read-call.ts'
import { type FinishedCall, scrubbedLabels } from './finished-call.ts'
import { type KeepBytes, mayHoldBytes, readJsonBytes, withoutBytes } from './inline-files.ts'
import { recordedAnswer } from './recorded-answer.ts'
import { calledModel } from './spent.ts'

/** Requests up to this size have been parsed before; larger ones may not be JSON. */
const checkedBytes = 64 * 1024

/** The body without the members meant for this server. */
const withoutBlock = async ({ request: body, hasOptions }: Pick<FinishedCall, 'request' | 'hasOptions'>) => {
  if (!hasOptions) return body
  const members = (await doInSlices(memberPieces(body, maxJsonDepth)))?.members ?? []
  return upstreamBody({ body, members, model: '' }, '')
}

/** ASCII is copied: decoding a megabyte of UTF-8 takes Node a fifth of the work on such a request. */
const textOf = (body: Buffer): string => body.toString(isAscii(body) ? 'latin1' : 'utf8')

/**
 * The request of a call as the JSON text of `init_params`: its bytes stored as files, its secrets redacted. Returns the body
 * itself if nothing changed. A large one is searched and checked as the bytes that it is: to make a text of a megabyte, and
 * values of that, takes three times as long as all of this, and leaves two megabytes to collect.
 */
const recordedRequest = async (
  call: Pick<FinishedCall, 'request' | 'hasOptions' | 'scrub'>,
  keep: KeepBytes,
): Promise<string | Buffer> => {
  const { request, scrub } = call
  const body = await withoutBlock(call)
  if (request.length <= checkedBytes) {
    const text = body.toString()
    return mayHoldBytes(text) ? scrub.json(await withoutBytes(JSON.parse(text), keep)) : scrub.jsonText(text)
  }
  if (body.length > smallJson) await nextSlice()
  const read = await doInSlices(readJsonBytes(body))
  if (body.length > smallJson) await nextSlice()
  if (!read.isJson) return scrub.json({ request: body.toString() })
  if (!read.mayHoldBytes) return scrub.jsonBytes(body)
  const cleaned = await withoutBytes(await parseLarge(textOf(body)), keep)
  return scrub.jsonText(await doInSlices(writePieces(cleaned)))
}

/** A call that has begun. */
type BegunCall = Pick<FinishedCall, 'key' | 'trajectoryId' | 'place' | 'scrub' | 'request' | 'hasOptions'>

/** Where the requests of calls are stored. */
interface RequestStorage {
  engine: Pick<Engine, 'keepRequest'>
  objects: Pick<ObjectStore, 'put'>
  /** Maximum files stored from base64 in one request or answer; further ones stay inline. */
  mediaFiles: number
}

/** The request of a call as its record has it. */
interface StoredRequest {
  initParams: Placed
  files: NewFile[]
}

/** The client waits for the record: bytes that the storage does not take in time stay in it. */
const storageWaitMs = 10_000

const unlessAway = async <Stored>(put: Promise<Stored>): Promise<Stored | undefined> => {
  try {
    return await put
  } catch (error) {
    if (error instanceof AppError && error.code === 'storage_unavailable') return undefined
    throw error
  }
}

/** Stores bytes as files of the call's step, and lists them in `files`. */
const keeperOf =
  (
    { objects, mediaFiles }: Pick<RequestStorage, 'objects' | 'mediaFiles'>,
    { place, trajectoryId }: BegunCall,
    files: NewFile[],
    before: () => number,
  ): KeepBytes =>
  async (bytes, type) => {
    if (files.length >= mediaFiles) return undefined
    const { name, content_type: contentType, body } = await mediaFileOf(bytes, type)
    const stored = await inTime(unlessAway(objects.put(body, { maxBytes: Number.MAX_SAFE_INTEGER })), storageWaitMs)
    if (!stored) return undefined
    const { id, size, sha256 } = stored
    const at = { collection: place.collection, task: place.taskName, trajectoryId, step: callStep }
    const path = stepFilePath({ ...at, index: before() + files.length, name })
    files.push({ path, object: id, name, contentType, size, sha256 })
    return path
  }

/** Reads the request of a call without its secrets, and stores it if it is too large for a row. */
const storeRequest = async (storage: RequestStorage, call: BegunCall): Promise<StoredRequest> => {
  const files: NewFile[] = []
  const keep = keeperOf(storage, call, files, () => 0)
  const text = await recordedRequest(call, keep)
  const bytes = text.length <= rowLimit ? undefined : typeof text === 'string' ? Buffer.from(text) : text
  const payload = bytes && (await storage.engine.keepRequest(call.key, bytes))
  return { initParams: payload ? { text: null, payload } : { text: text.toString(), payload: null }, files }
}

type Place = FinishedCall['place']
type RecordWorkflow = { text: string; hash: string }

/** A cache of the tasks that calls are recorded under. A task deleted meanwhile is created again with the record. */
interface RecordTasks {
  of(place: Place, workflow: RecordWorkflow): RecordTask | Promise<RecordTask>
}

const knownForMs = 60_000
const mostKnown = 10_000

/** Stands for the task while the database is away. No task has this id, so the writer looks it up with the record. */
const unknown = (place: Place): RecordTask => ({ id: 0, name: place.taskName })

const makeRecordTasks = (database: Queries): RecordTasks => {
  const known = makeLru<string, { task: RecordTask; untilMs: number }>(mostKnown)

  const find = async (key: string, place: Place, workflow: RecordWorkflow): Promise<RecordTask> => {
    const at = { collectionId: place.collectionId, name: place.taskName, workflow: workflow.text }
    const task = await inTime(taskForRecords(database, at))
    if (!task) return unknown(place)
    known.set(key, { task, untilMs: performance.now() + knownForMs })
    return task
  }

  return {
    of(place, workflow) {
      const key = `${place.collectionId} ${workflow.hash} ${place.taskName.toLowerCase()}`
      const found = known.get(key)
      if (!found) return find(key, place, workflow)
      if (found.untilMs > performance.now()) return found.task
      found.untilMs = performance.now() + knownForMs // one call refreshes the entry in the background
      find(key, place, workflow).catch(() => {})
      return found.task
    },
  }
}

/** Turns ended calls into trajectories. */
export interface Recorder {
  /**
   * Stores a request above 64 KiB while the model still answers. To be called once it is certain that the call will be
   * recorded.
   */
  begin(call: BegunCall): void
  /** Records a call. Resolves with the location of the record once it is on disk. */
  keep(call: FinishedCall): Promise<RecordDestination>
  /** Whether the queue of records is full: then calls that need a record must not begin. */
  readonly full: boolean
}

interface RecorderDeps extends RequestStorage {
  database: Queries
  engine: Pick<Engine, 'record' | 'recording' | 'keepRequest'>
  quota: Pick<Quota, 'add'>
}

/** Making a record takes several times its size in memory, so only some large ones are made at once. */
const largeBytes = 256 * 1024
const largeAtOnce = 4

const bytesOf = ({ request, answer }: FinishedCall): number => {
  if (answer?.kind !== 'events') return request.length + (answer?.bytes.length ?? 0)
  return answer.data.reduce((sum, { length }) => sum + length, request.length)
}

export const makeRecorder = (deps: RecorderDeps): Recorder => {
  const { engine, quota, database } = deps
  const tasks = makeRecordTasks(database)
  const large = makeSlots({ total: largeAtOnce })
  /**
   * Large requests that are being stored. Entries of calls that are never recorded are garbage-collected with their
   * bodies.
   */
  const begun = new WeakMap<Buffer, { key: string; request: Promise<StoredRequest> }>()

  const requestOf = (call: FinishedCall): Promise<StoredRequest> => {
    const known = begun.get(call.request)
    return known?.key === call.key ? known.request : storeRequest(deps, call)
  }

  const keep = async (call: FinishedCall): Promise<RecordDestination> => {
    const workflow = workflows[call.shape]
    const task = await tasks.of(call.place, workflow)
    const { initParams, files: sent } = await requestOf(call)
    const made: NewFile[] = []
    const files = { keep: keeperOf(deps, call, made, () => sent.length), made: () => made.map(mediaObject) }
    const answer = call.answer && (await recordedAnswer(call, call.answer, files))
    const { stepError, runError } = errorsOf(call)
    quota.add(call.place.collectionId, {
      runs: 1,
      databaseBytes: call.request.length + Buffer.byteLength(answer?.outputs ?? ''),
      fileBytes: [...sent, ...made].reduce((sum, { size }) => sum + size, 0),
    })
    const record: RecordedCall = {
      key: call.key,
      trajectoryId: call.trajectoryId,
      collectionId: call.place.collectionId,
      taskId: task.id,
      name: `${call.place.collection}/${task.name}`,
      definition: workflow.hash,
      workflow: workflow.text,
      author: call.author,
      labels: scrubbedLabels(call),
      trace: call.trace,
      environmentId: call.place.environmentId,
      status: call.status,
      error: runError,
      initParams,
      step: {
        name: callStep,
        inputs: JSON.stringify({ model: call.model, provider: call.provider?.id ?? null, stream: call.stream }),
        outputs: answer?.outputs ?? null,
        error: stepError,
        usage: answer?.usage ?? null,
      },
      files: [...sent, ...made],
      names: namesOf(call, answer?.answerId),
      costUsd: answer?.costUsd ?? null,
      usd: answer?.usd ?? null,
      tokens: answer?.tokens ?? null,
      model: calledModel(call),
      startedMs: call.startedMs,
      endedMs: call.endedMs,
    }
    // The next call under a budget reads in Postgres what this one has cost.
    return call.isBudgeted ? engine.record(record, 'commit') : engine.record(record)
  }

  return {
    get full() {
      return engine.recording() === 'full'
    },
    begin(call) {
      if (call.request.length <= rowLimit) return
      // The request is sent to the model first: searching a megabyte takes some milliseconds.
      const request = nextTurn().then(() => storeRequest(deps, call))
      request.catch(() => {}) // reported when the call is recorded
      begun.set(call.request, { key: call.key, request })
    },

    keep: (call) => (bytesOf(call) > largeBytes ? withSlot(large, call.place, () => keep(call)) : keep(call)),
  }
}

/** What another witness of the call knows of it: the id of its answer, and the span in which it was made. */
const namesOf = ({ trace }: FinishedCall, answerId: string | undefined): string[] => {
  const parent = trace === undefined ? undefined : parseTrace(trace)
  return [
    ...(answerId === undefined ? [] : [answerId]),
    ...(parent ? [parentName(parent.traceId, parent.parentId)] : []),
  ]
}

const mediaObject = ({ path, name, contentType, size }: NewFile) => ({
  path,
  name,
  extension: name.slice(name.lastIndexOf('.') + 1),
  content_type: contentType,
  size,
})

const left: FinishedCall['error'] = {
  code: 'cancelled',
  message: 'The client closed the connection before the answer was complete',
}

/** The errors of the step and of the run of a failed call. */
const errorsOf = (call: FinishedCall): { stepError: string | null; runError: string | null } => {
  const error = call.error ?? (call.status === 'cancelled' ? left : null)
  if (!error || call.status === 'completed') return { stepError: null, runError: null }
  const message = call.scrub.text(error.message)
  return {
    stepError: call.scrub.json({ code: error.code, message, retryable: false, hint: error.hint ?? null, cause: null }),
    runError: call.status === 'failed' ? stepFailed(callStep, message) : message,
  }
}
