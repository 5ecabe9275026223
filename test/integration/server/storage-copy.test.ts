// Files move from the data folder to a bucket and back while servers use them.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadSettings } from '../../../src/lib/settings/config.ts'
import { parseStorageLocation, type StorageLocation } from '../../../src/lib/settings/storage-location.ts'
import { type CopiedStorage, copyStorage } from '../../../src/server/local/storage.ts'
import { type FakeS3, startFakeS3 } from '../../fakes/s3.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let fake: FakeS3
let jetty: TestServer
let bucket: StorageLocation
/** Settings of a server whose files are in the bucket. */
let onBucket: Record<string, string>
const disk: StorageLocation = { kind: 'disk' }
beforeAll(async () => {
  fake = await startFakeS3()
  jetty = await startTestServer({ env: { JETTY_ROLE: 'api' } })
  onBucket = { ...fake.env, JETTY_ROLE: 'api' }
  bucket = parseStorageLocation(fake.location) as StorageLocation
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})

const copy = (from: StorageLocation, to: StorageLocation, more: Partial<Parameters<typeof copyStorage>[0]> = {}) => {
  const env = { ...fake.env, DATABASE_URL: jetty.database.url, JETTY_DATA_DIR: jetty.dataDir }
  return copyStorage({ settings: loadSettings(env), variables: {}, from, to, pageSize: 20, ...more })
}

/** Stores files as steps do: bytes first, then the row. */
const store = async (server: TestServer, names: string[]): Promise<string[]> =>
  Promise.all(
    names.map(async (name) => {
      const { id, size, sha256 } = await server.server.objects.put(Buffer.from(name), { maxBytes: 1000 })
      await jetty.server.database.rows(
        'insert_file',
        `insert into files (path, collection_id, object, name, content_type, size, sha256)
         select $1, id, $2, $3, 'text/plain', $4, $5 from collections where name = 'acme'`,
        [`acme/sandbox_uploads/u/${name}`, id, name, size, sha256],
      )
      return id
    }),
  )

const read = async (server: TestServer, name: string) => {
  const headers = { authorization: `Bearer ${server.server.adminToken}` }
  return (await fetch(`${server.url}/api/v1/file/acme/sandbox_uploads/u/${name}`, { headers })).text()
}
const namesOf = (kind: string, count: number) => Array.from({ length: count }, (_, n) => `${kind}-${n}`)
const inBucket = () => [...fake.objects.keys()].filter((key) => key.startsWith('jetty/objects/')).length
const counts = ({ objects, copied, present, missing, damaged, is_complete }: CopiedStorage) => ({
  ...{ objects, copied, present, is_complete },
  faults: missing.length + damaged.length,
})

describe('moving files to a bucket', { timeout: 180_000 }, () => {
  it('refuses a bucket as long as nothing says where the files are', async () => {
    await store(jetty, namesOf('first', 45))
    await expect(startTestServer({ env: onBucket, beside: jetty })).rejects.toMatchObject({ code: 'conflict' })
  })

  it('goes on where it was killed, and is not complete while new files go to the old storage', async () => {
    let resumed = 0
    for (const pages of [1, 1]) {
      const stop = new AbortController()
      let seen = 0
      const cut = copy(disk, bucket, { signal: stop.signal, onProgress: () => ++seen === pages && stop.abort() })
      await expect(cut).rejects.toMatchObject({ name: 'AbortError' })
      resumed = inBucket()
    }
    expect(resumed).toBe(40)
    const last = await copy(disk, bucket)
    expect(last.resumed_after).not.toBe('')
    expect(counts(last)).toEqual({ objects: 5, copied: 5, present: 0, faults: 0, is_complete: false })
  })

  it('goes on with what the storage refused for a while', async () => {
    await store(jetty, namesOf('later', 20))
    let refused = 0
    fake.misbehave = ({ method }) => (method === 'PUT' && refused++ < 40 ? 'slow_down' : undefined)
    await expect(copy(disk, bucket)).rejects.toMatchObject({ code: 'storage_unavailable' })
    fake.misbehave = () => undefined
    expect(counts(await copy(disk, bucket))).toMatchObject({ objects: 65, faults: 0, is_complete: false })
    expect(inBucket()).toBe(65)
  })

  it('reads both storages while they change, and frees the old one once all is there', async () => {
    const env = { ...onBucket, JETTY_STORAGE_FROM: 'disk' }
    const moving = await startTestServer({ env, beside: jetty })
    await store(jetty, ['on-disk'])
    await store(moving, ['in-bucket'])
    expect([await read(moving, 'on-disk'), await read(moving, 'in-bucket')]).toEqual(['on-disk', 'in-bucket'])
    await expect(startTestServer({ env: onBucket, beside: jetty })).rejects.toThrow('are still in the storage')
    const done = await copy(disk, bucket)
    expect(counts(done)).toEqual({ objects: 67, copied: 1, present: 66, faults: 0, is_complete: true })
    await moving.close()
    const alone = await startTestServer({ env: onBucket, beside: jetty })
    for (const name of ['first-0', 'first-44', 'later-19', 'on-disk', 'in-bucket'])
      expect(await read(alone, name)).toBe(name)
    await alone.close()
  })

  it('removes a deleted file from both', async () => {
    const env = { ...onBucket, JETTY_STORAGE_FROM: 'disk' }
    const both = await startTestServer({ env, beside: jetty })
    const before = inBucket()
    const rows = await jetty.server.database.query<{ object: string }>(
      `select object from files where name = 'first-7'`,
    )
    const object = String(rows[0]?.object)
    await both.server.objects.remove([object])
    expect(inBucket()).toBe(before - 1)
    await expect(jetty.server.objects.sizeOf(object)).resolves.toBeUndefined()
    await jetty.server.database.query(`delete from files where name = 'first-7'`)
    await both.close()
  })

  it('names what is lost, and what has other bytes than it had', async () => {
    const [lost = '', damaged = ''] = await store(jetty, ['lost', 'damaged'])
    await rm(join(jetty.dataDir, 'files', 'objects', lost.slice(0, 2), lost.slice(2, 4), lost))
    await jetty.server.database.query(`update files set sha256 = repeat('0', 64) where name = 'damaged'`)
    const copied = await copy(disk, bucket)
    expect([copied.missing, copied.damaged, copied.is_complete]).toEqual([[lost], [damaged], false])
    expect(fake.objects.has(`jetty/objects/${damaged.slice(0, 2)}/${damaged}`)).toBe(false)
    await jetty.server.database.query(`delete from files where name in ('lost', 'damaged')`)
  })

  it('moves them back', async () => {
    const moving = await startTestServer({ env: onBucket, beside: jetty })
    await store(moving, ['new-in-bucket'])
    await moving.close()
    const back = await startTestServer({
      env: { ...onBucket, JETTY_STORAGE: 'disk', JETTY_STORAGE_FROM: fake.location },
      beside: jetty,
    })
    expect(await read(back, 'new-in-bucket')).toBe('new-in-bucket')
    const copied = await copy(bucket, disk)
    expect([copied.missing, copied.damaged, copied.is_complete]).toEqual([[], [], true])
    await back.close()
    fake.misbehave = () => 'denied'
    const alone = await startTestServer({ env: { JETTY_ROLE: 'api' }, beside: jetty })
    expect(await read(alone, 'new-in-bucket')).toBe('new-in-bucket')
    await alone.close()
  })
})
