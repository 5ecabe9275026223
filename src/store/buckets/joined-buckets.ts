import type { ObjectStore } from '../objects/objects.ts'
import { RemovalFailed, removeAll } from '../objects/removal.ts'
import { isInBucket } from './collection-bucket.ts'
import type { CollectionBuckets } from './collection-buckets.ts'

/**
 * Joins the storage of the server with the buckets of collections, so that whoever reads or removes a file need not know
 * where its bytes are. New objects go to the storage of the server. With `mayLink` false no client gets a link to a bucket.
 */
export const withCollectionBuckets = (
  objects: ObjectStore,
  buckets: CollectionBuckets,
  { mayLink }: { mayLink: boolean },
): ObjectStore => {
  const open: ObjectStore['open'] = (id, range) => (isInBucket(id) ? buckets.open(id, range) : objects.open(id, range))
  const link: ObjectStore['link'] = async (id, options) => {
    if (!isInBucket(id)) return objects.link(id, options)
    return mayLink ? buckets.link(id, options) : undefined
  }
  const remove: ObjectStore['remove'] = async (ids) => {
    const theirs = ids.filter(isInBucket)
    const failed = await removeAll(
      objects,
      ids.filter((id) => !isInBucket(id)),
    )
    // A copy of a database leaves the bytes to the one that it was copied from.
    const isCopy = theirs.length > 0 && (await objects.owner()).state === 'copied'
    const failedThere = theirs.length > 0 && !isCopy ? await removeAll(buckets, theirs) : undefined
    const stuck = [...(failed?.ids ?? []), ...(failedThere?.ids ?? [])]
    if (stuck.length > 0) throw new RemovalFailed(stuck, (failed ?? failedThere)?.cause)
  }
  const value = <Member>(member: Member) => ({ value: member, enumerable: true })
  return Object.create(objects, { open: value(open), link: value(link), remove: value(remove) }) as ObjectStore
}
