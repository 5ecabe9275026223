import { throwFailed } from '../removal.ts'
import type { Swept, UnnamedSweep } from '../unnamed.ts'
import type { S3Client } from './client.ts'
import { type ListedPage, listObjects, listUploadsInParts } from './listing.ts'
import { putOnce } from './upload.ts'

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
export const sweepBucketPart = async (
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
export const abortOldUploads = async (client: S3Client): Promise<number> => {
  const { uploads, nowMs } = await listUploadsInParts(client)
  const old = uploads.filter(({ begunMs }) => nowMs - begunMs > dayMs)
  for (const { key, uploadId } of old) {
    ;(await client.send({ method: 'DELETE', key, query: { uploadId }, accept: [404] })).close()
  }
  return old.length
}
