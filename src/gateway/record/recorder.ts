import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Engine } from '../../engine/engine.ts'
import { makeSlots, withSlot } from '../../lib/slots.ts'
import type { RecordDestination, RecordedCall } from '../../model/gateway/recorded-call.ts'
import type { NewFile } from '../../model/runs/new-run.ts'
import { callStep } from '../../model/runs/own-tasks.ts'
import { stepFailed } from '../../model/runs/step-failed.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Queries } from '../../store/database/database.ts'
import { rowLimit } from '../../store/runs/payloads.ts'
import { workflows } from '../own-workflows.ts'
import type { FinishedCall } from './finished-call.ts'
import { makeRecordTasks } from './record-tasks.ts'
import { recordedAnswer } from './recorded-answer.ts'
import { calledModel } from './spent.ts'
import { type BegunCall, keeperOf, type RequestStorage, type StoredRequest, storeRequest } from './stored-request.ts'

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
      labels: call.labels?.map(({ key, value }) => ({ key: call.scrub.text(key), value: call.scrub.text(value) })),
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
