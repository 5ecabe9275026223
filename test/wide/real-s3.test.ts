// The promises of every object store, on a real S3: a Ceph that this test starts, or the bucket of JETTY_TEST_S3_URL.
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testObjectStore } from '../objects/conformance.ts'
import { type BucketOfTest, openS3 } from '../objects/open-s3.ts'
import { startCeph } from './own-ceph.ts'

interface StartedBucket extends BucketOfTest {
  stop(): Promise<void>
}

/** A prefix of its own in the bucket that the variables name, or a bucket of a Ceph of its own. */
const startBucket = async (): Promise<StartedBucket> => {
  const { JETTY_TEST_S3_URL, JETTY_TEST_S3_KEY = '', JETTY_TEST_S3_SECRET = '' } = process.env
  if (JETTY_TEST_S3_URL) {
    const [address, options = ''] = JETTY_TEST_S3_URL.split('?')
    const location = `${address?.replace(/\/$/, '')}/${randomUUID()}?${options}`
    return { location, accessKeyId: JETTY_TEST_S3_KEY, secretAccessKey: JETTY_TEST_S3_SECRET, stop: async () => {} }
  }
  const { url, stop, ...keys } = await startCeph()
  const place = { location: `s3://jetty-test/files?endpoint=${url}`, ...keys, stop }
  const { client } = openS3({ ...place, location: `s3://jetty-test?endpoint=${url}` })
  ;(await client.send({ method: 'PUT' })).close() // creates the bucket
  return place
}

let bucket: StartedBucket
/** The first time its packages are fetched and unpacked, which takes minutes on a busy machine. */
const longestStartMs = 900_000
beforeAll(async () => {
  bucket = await startBucket()
}, longestStartMs)
afterAll(() => bucket?.stop())

const fiveMebibytes = 5 * 1024 * 1024

testObjectStore({
  name: 'real S3',
  largeBytes: fiveMebibytes,
  start: async () => ({
    open: async (identity) => openS3(bucket, identity, { partBytes: () => fiveMebibytes }).store,
    close: async () => {},
  }),
})

describe('a real S3', () => {
  it('takes 300 MB in parts of their usual size, in bounded memory', async () => {
    const { store } = openS3(bucket, { installation: 'one', origin: '1/1/1' })
    const chunk = randomBytes(1024 * 1024)
    const hash = createHash('sha256')
    const before = process.memoryUsage.rss()
    let most = 0
    const body = (async function* () {
      for (let n = 0; n < 300; n++) {
        chunk.writeUInt32LE(n)
        hash.update(chunk)
        most = Math.max(most, process.memoryUsage.rss())
        yield Buffer.from(chunk)
      }
    })()
    const stored = await store.put(body, { maxBytes: 1024 ** 3 })
    expect(stored).toMatchObject({ size: 300 * 1024 * 1024, sha256: hash.digest('hex') })
    expect(most - before).toBeLessThan(250 * 1024 * 1024)
    const read = createHash('sha256')
    for await (const part of (await store.open(stored.id)).stream) read.update(part as Uint8Array)
    expect(read.digest('hex')).toBe(stored.sha256)
    await store.remove([stored.id])
  })

  it('refuses other keys, and names what is wrong', async () => {
    const { store } = openS3({ ...bucket, secretAccessKey: 'wrong' })
    await expect(store.check()).rejects.toMatchObject({ code: 'storage_unavailable', retryable: false })
  })

  it('marks an orphan, and lists and aborts uploads in parts', async () => {
    const { store, client } = openS3(bucket, { installation: 'one', origin: '1/1/1' })
    await client
      .send({ method: 'POST', key: `objects/ab/${randomUUID()}`, query: { uploads: '' } })
      .then(({ close }) => close())
    expect(await store.sweepTemporary()).toBe(0) // it is not a day old
  })
})
