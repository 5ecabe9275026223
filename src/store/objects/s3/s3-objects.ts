import { randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { AppError } from '../../../lib/errors.ts'
import { makeByteBudget } from '../../../lib/memory/byte-budget.ts'
import { checkedId, isObjectId, objectNotFound } from '../object-id.ts'
import type { ByteRange, ObjectStore } from '../objects.ts'
import type { DatabaseIdentity, Ownership } from '../owner.ts'
import { throwFailed } from '../removal.ts'
import type { Swept, UnnamedSweep } from '../unnamed.ts'
import { type S3Answer, storageSilent } from './answer.ts'
import type { S3Client } from './client.ts'
import { type ListedPage, listObjects, listUploadsInParts } from './listing.ts'
import { lookAtBucketOwner } from './notes.ts'
import { removeKeys } from './remove.ts'
import { cutBody, objectSize, putOnce, uploadBody } from './upload.ts'

/** Interruptions of one download after which it goes on where it stopped. */
const mostResumes = 5

const rangeHeader = ({ start, end }: ByteRange): Record<string, string> =>
  start === 0 && end === undefined ? {} : { range: `bytes=${start}-${end ?? ''}` }

/** Size of the whole object, from the answer to a request for a range of it. */
const wholeSize = ({ status, headers }: S3Answer): number => {
  const total = status === 206 ? headers['content-range']?.split('/')[1] : headers['content-length']
  return Number(total)
}

/** Opens an object or a range of it; undefined when there is none. An interrupted download goes on with the next byte. */
export const openDownload = async (
  client: S3Client,
  key: string,
  range: ByteRange = { start: 0 },
): Promise<{ stream: Readable; size: number } | undefined> => {
  const get = (wanted: ByteRange) =>
    client.send({ method: 'GET', key, headers: rangeHeader(wanted), accept: [404, 416] })
  const nothing = (size: number) => ({ stream: Readable.from([]), size })
  if (range.end !== undefined && range.end < range.start) {
    const size = await objectSize(client, key)
    return size === undefined ? undefined : nothing(size)
  }
  const first = await get(range)
  if (first.status === 404) return undefined
  if (first.status === 416) return nothing((await objectSize(client, key)) ?? 0)
  const size = wholeSize(first)
  const wantedBytes = Math.min(range.end ?? size - 1, size - 1) - range.start + 1

  const read = async function* (): AsyncGenerator<Uint8Array> {
    let sent = 0
    let answer: S3Answer | undefined = first
    try {
      for (let resumes = 0; ; resumes++) {
        try {
          answer ??= await get({ start: range.start + sent, end: range.start + wantedBytes - 1 })
          if (answer.status >= 400) throw lost(client, key)
          for await (const chunk of answer.body) {
            sent += chunk.length
            if (sent > wantedBytes)
              throw storageSilent(client.where, new Error('It sent more bytes than the object has'))
            yield chunk
          }
          if (sent === wantedBytes) return
          throw storageSilent(client.where, new Error(`It sent ${sent} of ${wantedBytes} bytes`))
        } catch (error) {
          if (sent > wantedBytes || resumes >= mostResumes || !isInterruption(error)) throw error
          answer = undefined
        }
      }
    } finally {
      answer?.close()
    }
  }
  const stream = Readable.from(read(), { objectMode: false, highWaterMark: 64 * 1024 })
  stream.once('close', first.close) // a stream that is never read never starts the generator
  return { stream, size }
}

const isInterruption = (error: unknown): boolean =>
  error instanceof AppError && ['network_failed', 'timed_out', 'storage_unavailable'].includes(error.code)

const lost = (client: S3Client, key: string): AppError =>
  new AppError('not_found', `The object ${key} was removed from ${client.where} while it was read`)

/** Writes a small object, reads the end of it, and removes it. Throws an error that says what failed and what to do. */
export const checkBucket = async (client: S3Client): Promise<void> => {
  const [key, bytes] = [`check/${randomUUID()}`, randomBytes(1024)]
  ;(await client.send({ method: 'PUT', key, body: bytes })).close()
  const opened = await openDownload(client, key, { start: 1000 })
  const isWhole = opened !== undefined && (await buffer(opened.stream)).equals(bytes.subarray(1000))
  ;(await client.send({ method: 'DELETE', key, accept: [404] })).close()
  if (isWhole) return
  throw new AppError('storage_unavailable', `The storage ${client.where} does not return what was stored`, {
    retryable: false,
    hint: 'Check that endpoint= in JETTY_STORAGE is an S3-compatible storage.',
  })
}

const dayMs = 86_400_000

interface BucketPlaces {
  isId(name: string): boolean
  keyOf(id: string): string
  /** Key of the mark that no row seems to refer to an object. */
  markOf(id: string): string
}

const lastSegment = (name: string): string => name.slice(name.lastIndexOf('/') + 1)

/**
 * Sweeps one part of a bucket for orphaned objects. An orphan older than a day gets a mark beside it, an empty object whose
 * age counts from then on: S3 cannot rename. The object is removed some days later, unless a row refers to it by then.
 * Ages are those of the storage's clock. Concurrent sweeps and kills are harmless.
 */
const sweepBucketPart = async (
  client: S3Client,
  places: BucketPlaces,
  sinceMs: number,
  { part, days, named }: UnnamedSweep,
): Promise<Swept> => {
  const swept: Swept = { setAside: 0, restored: 0, removed: 0 }
  const failed: { id: string; error: unknown }[] = []
  const name = part.toString(16).padStart(2, '0')
  const marked = new Set<string>()
  const drop = async (key: string) => (await client.send({ method: 'DELETE', key, accept: [404] })).close()

  const each = async (
    { objects, nowMs }: ListedPage,
    look: (id: string, ageMs: number, isNamed: boolean) => Promise<void>,
  ): Promise<void> => {
    const found = objects.map((one) => ({ id: lastSegment(one.name), ageMs: nowMs - one.writtenMs }))
    const ours = found.filter(({ id }) => places.isId(id))
    const known = await named(ours.map(({ id }) => id))
    for (const { id, ageMs } of ours) {
      await look(id, ageMs, known.has(id)).catch((error) => failed.push({ id, error }))
    }
  }

  for await (const page of listObjects(client, `unnamed/${name}/`)) {
    await each(page, async (id, ageMs, isNamed) => {
      if (isNamed) {
        await drop(places.markOf(id))
        swept.restored += 1
      } else if (ageMs > days * dayMs) {
        await drop(places.keyOf(id)) // before the mark: if killed in between, it is done again
        await drop(places.markOf(id))
        swept.removed += 1
      } else marked.add(id)
    })
  }
  for await (const page of listObjects(client, `objects/${name}/`)) {
    await each(page, async (id, ageMs, isNamed) => {
      if (isNamed || marked.has(id) || ageMs < dayMs || page.nowMs - ageMs <= sinceMs) return
      if (await putOnce(client, places.markOf(id), Buffer.alloc(0))) swept.setAside += 1
    })
  }
  throwFailed(failed)
  return swept
}

/** Aborts uploads in parts that were begun more than a day ago, and returns their number. */
const abortOldUploads = async (client: S3Client): Promise<number> => {
  const { uploads, nowMs } = await listUploadsInParts(client)
  const old = uploads.filter(({ begunMs }) => nowMs - begunMs > dayMs)
  for (const { key, uploadId } of old) {
    ;(await client.send({ method: 'DELETE', key, query: { uploadId }, accept: [404] })).close()
  }
  return old.length
}

/** Memory of all uploads of a process: two parts in flight and one being filled, for several large ones. */
const uploadMemoryBytes = 256 * 1024 * 1024
/** How long what the notes of a bucket say is trusted: reading them is a request. */
const ownerKeptMs = 60_000

export interface S3ObjectsOptions {
  client: S3Client
  identify(): Promise<DatabaseIdentity>
  /** Completes before the first object is written or removed, and is tried again while it fails. */
  claim(): Promise<void>
  /** For tests. */
  partBytes?: (number: number) => number
}

/** Makes `work` run until it succeeds once; calls meanwhile share the attempt. */
const untilDone = (work: () => Promise<void>): (() => Promise<void>) => {
  let done: Promise<void> | undefined
  return () => {
    done ??= work().catch((error) => {
      done = undefined
      throw error
    })
    return done
  }
}

/**
 * An object store in a bucket: `objects/ab/<uuid>`, `unnamed/ab/<uuid>` for marks of objects that no row seems to refer
 * to, `id` and `databases/` for whose it is.
 */
export const makeS3Objects = ({ client, identify, claim, partBytes }: S3ObjectsOptions): ObjectStore => {
  const memory = makeByteBudget(uploadMemoryBytes)
  const keyOf = (id: string) => `objects/${checkedId(id).slice(0, 2)}/${id}`
  const markOf = (id: string) => `unnamed/${checkedId(id).slice(0, 2)}/${id}`
  const places = { isId: isObjectId, keyOf, markOf }
  let owner: { state: Ownership; atMs: number } | undefined
  const look = async (): Promise<Ownership> => {
    const state = await lookAtBucketOwner(client, await identify())
    owner = { state, atMs: performance.now() }
    return state
  }
  const lookSometimes = async () => (owner && performance.now() - owner.atMs < ownerKeptMs ? owner.state : await look())
  const ready = untilDone(async () => {
    await claim()
    await look()
  })

  return {
    where: client.where,
    isRemote: true,
    get state() {
      return client.state
    },

    async put(body, { maxBytes, id = randomUUID() }) {
      await ready()
      const share = memory.open({ payer: id, collectionId: 0 })
      try {
        const isHere = body instanceof Uint8Array
        const options = { maxBytes, share: isHere ? undefined : share, sizeOf: partBytes }
        const measured = cutBody(isHere ? [body] : body, options)
        await uploadBody(client, keyOf(id), measured, share)
        return { id, ...measured.measured() }
      } finally {
        share.end()
      }
    },

    async open(id, range) {
      const opened = await openDownload(client, keyOf(id), range)
      if (!opened) throw objectNotFound(id)
      return opened
    },

    async link(id, { seconds, disposition, contentType }) {
      const query = { 'response-content-disposition': disposition, 'response-content-type': contentType }
      return client.link(keyOf(id), query, seconds)
    },

    sizeOf: async (id) => objectSize(client, keyOf(id)),

    async remove(ids) {
      const keys = ids.map(keyOf)
      await ready()
      if ((await lookSometimes()).state === 'copied') return // the database that this one was copied from may refer to them
      await removeKeys(client, new Map(keys.map((key, at) => [key, ids[at] as string])))
    },

    async check() {
      await ready()
      await checkBucket(client)
    },

    owner: look,

    async sweepUnnamed(sweep) {
      const found = await look()
      return found.state === 'alone' ? sweepBucketPart(client, places, found.sinceMs, sweep) : undefined
    },

    sweepTemporary: () => abortOldUploads(client),
  }
}
