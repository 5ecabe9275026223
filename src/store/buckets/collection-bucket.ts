import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { ByteBudget } from '../../lib/memory/byte-budget.ts'
import type { BucketStorage } from '../../model/collections/bucket-storage.ts'
import type { S3Client } from '../objects/s3/client.ts'
import { listObjects } from '../objects/s3/listing.ts'
import { cutBody } from '../objects/s3/parts.ts'
import { removeKeys } from '../objects/s3/remove.ts'
import { uploadNew } from '../objects/s3/upload.ts'
import type { BucketPlace } from './bucket-place.ts'

/** The bucket that a collection's new data files go to. */
export interface CollectionBucket {
  /** Stores the bytes of a data file under a name; undefined when the name is taken. */
  store(
    file: { folder: string; name: string },
    body: Readable,
  ): Promise<{ object: string; place: BucketPlace } | undefined>
  /** The number after the highest one of the data files in a folder, also of those that others have put there. */
  nextNumber(folder: string): Promise<number>
  remove(place: BucketPlace): Promise<void>
}

const idStart = 'bucket-'

/** Whether the bytes of a file are in the bucket of its collection. */
export const isInBucket = (object: string): boolean => object.startsWith(idStart)

const numberIn = (key: string): number => Number(/\/data\.(\d{6,9})\.[^/]*$/.exec(key)?.[1] ?? -1)

/** Makes the bucket of one collection, for uploads of data files. */
export const openForUploads = (settings: BucketStorage, client: S3Client, memory: ByteBudget): CollectionBucket => {
  const folderOf = (folder: string) => [settings.path_prefix, 'mlcbakery', folder].filter(Boolean).join('/')
  return {
    async store({ folder, name }, body) {
      const key = `${folderOf(folder)}/${name}`
      const share = memory.open({ payer: folder, collectionId: 0 })
      try {
        const measured = cutBody(body, { maxBytes: Number.MAX_SAFE_INTEGER, share })
        if (!(await uploadNew(client, key, measured, share))) return undefined
      } finally {
        share.end()
        body.destroy()
      }
      const place = { bucket: settings.bucket, endpoint: settings.endpoint ?? null, key }
      return { object: `${idStart}${randomUUID()}`, place }
    },

    async nextNumber(folder) {
      let highest = -1
      for await (const { objects } of listObjects(client, `${folderOf(folder)}/data.`)) {
        for (const { name } of objects) highest = Math.max(highest, numberIn(name))
      }
      return highest + 1
    },

    remove: ({ key }) => removeKeys(client, new Map([[key, key]])),
  }
}
