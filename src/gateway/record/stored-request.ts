import type { Engine } from '../../engine/engine.ts'
import { AppError } from '../../lib/errors.ts'
import { mediaFileOf } from '../../lib/files/media-file.ts'
import { inTime } from '../../lib/in-time.ts'
import type { NewFile } from '../../model/runs/new-run.ts'
import { callStep } from '../../model/runs/own-tasks.ts'
import { stepFilePath } from '../../store/files/storage-path.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { type Placed, rowLimit } from '../../store/runs/payloads.ts'
import type { FinishedCall } from './finished-call.ts'
import type { KeepBytes } from './inline-files.ts'
import { recordedRequest } from './recorded-request.ts'

/** A call that has begun. */
export type BegunCall = Pick<FinishedCall, 'key' | 'trajectoryId' | 'place' | 'scrub' | 'request' | 'hasOptions'>

/** Where the requests of calls are stored. */
export interface RequestStorage {
  engine: Pick<Engine, 'keepRequest'>
  objects: Pick<ObjectStore, 'put'>
  /** Maximum files stored from base64 in one request or answer; further ones stay inline. */
  mediaFiles: number
}

/** The request of a call as its record has it. */
export interface StoredRequest {
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
export const keeperOf =
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
export const storeRequest = async (storage: RequestStorage, call: BegunCall): Promise<StoredRequest> => {
  const files: NewFile[] = []
  const keep = keeperOf(storage, call, files, () => 0)
  const text = await recordedRequest(call, keep)
  const bytes = text.length <= rowLimit ? undefined : typeof text === 'string' ? Buffer.from(text) : text
  const payload = bytes && (await storage.engine.keepRequest(call.key, bytes))
  return { initParams: payload ? { text: null, payload } : { text: text.toString(), payload: null }, files }
}
