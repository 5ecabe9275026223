// Stores objects in a folder or a bucket until it is killed, and prints each that is stored: its id, size and hash.
import { randomBytes } from 'node:crypto'
import { openDiskObjects } from '../../../src/store/objects/disk.ts'
import type { ObjectStore } from '../../../src/store/objects/objects.ts'
import { openS3 } from '../../objects/open-s3.ts'

const [location = '', accessKeyId = '', secretAccessKey = ''] = process.argv.slice(2)
const identity = { installation: 'one', origin: '1/1/1' }
const openStore = async (): Promise<ObjectStore> =>
  location.startsWith('s3:')
    ? openS3({ location, accessKeyId, secretAccessKey }, identity, { partBytes: () => 64 * 1024 }).store
    : openDiskObjects(location, async () => identity)

const drip = async function* (size: number) {
  for (let left = size; left > 0; left -= 10_000) yield randomBytes(Math.min(left, 10_000))
}

const write = async (store: ObjectStore): Promise<never> => {
  for (;;) {
    const size = Math.floor(Math.random() ** 3 * 400_000)
    const { id, sha256 } = await store.put(drip(size), { maxBytes: 1024 ** 3 })
    console.log(`${id} ${size} ${sha256}`)
  }
}

void openStore().then((store) => {
  console.log('writing')
  return Promise.all(Array.from({ length: 4 }, () => write(store)))
})
