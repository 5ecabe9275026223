import { randomUUID } from 'node:crypto'
import { makeByteBudget } from '../../../lib/memory/byte-budget.ts'
import { checkedId, isObjectId, objectNotFound } from '../object-id.ts'
import type { ObjectStore } from '../objects.ts'
import type { DatabaseIdentity, Ownership } from '../owner.ts'
import { throwFailed } from '../removal.ts'
import type { Swept, UnnamedSweep } from '../unnamed.ts'
import { checkBucket } from './check-bucket.ts'
import type { S3Client } from './client.ts'
import { openDownload } from './download.ts'
import { type ListedPage, listObjects, listUploadsInParts } from './listing.ts'
import { lookAtBucketOwner } from './notes.ts'
import { cutBody } from './parts.ts'
import { removeKeys } from './remove.ts'
import { objectSize, putOnce, uploadBody } from './upload.ts'

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
