import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../src/store/objects/objects.ts'
import { type FakeS3, type S3Misbehaviour, type SeenRequest, startFakeS3 } from '../fakes/s3.ts'
import { openS3 } from './open-s3.ts'

const partSize = 64 * 1024
const maxBytes = 1024 ** 3
const identity = { installation: 'one', origin: '1/1/1' }
const dayMs = 86_400_000

let fake: FakeS3
let store: ObjectStore
const open = (more: Parameters<typeof openS3>[2] = {}) => openS3(fake, identity, { partBytes: () => partSize, ...more })
beforeEach(async () => {
  fake = await startFakeS3({ leastPartBytes: partSize, pageSize: 20 })
  store = open().store
})
afterEach(() => fake.close())

const objectKeys = () => [...fake.objects.keys()].filter((key) => key.startsWith('jetty/objects/'))
const read = async (id: string) => buffer((await store.open(id)).stream)

/** Misbehaves for the first `times` requests that fit. */
const firstTimes = (times: number, how: S3Misbehaviour, fits: (request: SeenRequest) => boolean) => {
  let left = times
  fake.misbehave = (request) => (fits(request) && left-- > 0 ? how : undefined)
}

const isObject = ({ key }: SeenRequest) => key.startsWith('jetty/objects/')
const isPart = ({ method, query }: SeenRequest) => method === 'PUT' && query.has('partNumber')
const isBegin = ({ method, query }: SeenRequest) => method === 'POST' && query.has('uploads')
const isComplete = ({ method, query }: SeenRequest) => method === 'POST' && query.has('uploadId')
const isWhole = ({ method, key, query }: SeenRequest) =>
  method === 'PUT' && isObject({ key } as SeenRequest) && query.size === 0

describe('a storage that is frozen', () => {
  it.each([
    ['short', Buffer.from('short')],
    ['in parts', randomBytes(3 * partSize)],
  ])('is given up within seconds, whatever an upload may take: %s', async (_, bytes) => {
    store = open({ aliveSeconds: 0.3 }).store
    fake.misbehave = () => 'hang'
    const begun = performance.now()
    const error = await store.put(bytes, { maxBytes }).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'storage_unavailable', message: expect.stringContaining('does not answer') })
    expect(performance.now() - begun).toBeLessThan(10_000) // one try of 15 s, and four of them, before
    fake.misbehave = () => undefined
    const { id } = await store.put(bytes, { maxBytes })
    expect((await read(id)).equals(bytes)).toBe(true)
  })

  it('is not one that takes its time', async () => {
    store = open({ aliveSeconds: 0.1, firstByteSeconds: 1 }).store
    firstTimes(1, 'hang', isWhole)
    await store.put(Buffer.from('short'), { maxBytes })
    expect(fake.seen.filter(isWhole)).toHaveLength(2)
  })
})

describe('what passes is tried again', () => {
  it.each<[string, number, S3Misbehaviour, (request: SeenRequest) => boolean]>([
    ['a PUT that is answered 503', 3, 'slow_down', isWhole],
    ['a PUT that is cut off', 2, 'cut', isWhole],
    ['a PUT whose answer is lost', 1, 'lose', isWhole],
    ['a PUT whose credentials have expired', 1, 'expired', isWhole],
  ])('%s', async (_, times, how, fits) => {
    firstTimes(times, how, fits)
    const { id } = await store.put(Buffer.from('short'), { maxBytes })
    expect((await read(id)).toString()).toBe('short')
    expect(objectKeys()).toHaveLength(1)
  })

  it.each<[string, number, S3Misbehaviour, (request: SeenRequest) => boolean]>([
    ['begin', 2, 'slow_down', isBegin],
    ['parts answered 503', 3, 'slow_down', isPart],
    ['parts cut off', 2, 'cut', isPart],
    ['parts whose answer is lost', 2, 'lose', isPart],
    ['complete answered 503', 2, 'slow_down', isComplete],
    ['complete whose answer is lost', 1, 'lose', isComplete],
  ])('an upload in parts: %s', async (_, times, how, fits) => {
    firstTimes(times, how, fits)
    const bytes = randomBytes(5 * partSize + 3)
    const { id, sha256 } = await store.put(bytes, { maxBytes })
    expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
    expect((await read(id)).equals(bytes)).toBe(true)
    expect(fake.uploads.size).toBe(0)
  })

  it('a silent server, after the time for the first byte', async () => {
    store = open({ firstByteSeconds: 0.1 }).store
    firstTimes(2, 'hang', isWhole)
    const { id } = await store.put(Buffer.from('short'), { maxBytes })
    expect((await read(id)).toString()).toBe('short')
  })

  it('a download that breaks off goes on with the next byte', async () => {
    const bytes = randomBytes(3 * partSize)
    const { id } = await store.put(bytes, { maxBytes })
    firstTimes(3, 'half', ({ method }) => method === 'GET')
    expect((await read(id)).equals(bytes)).toBe(true)
    const ranges = fake.seen
      .filter(({ method, key }) => method === 'GET' && key.includes(id))
      .map(({ headers }) => headers.range)
    expect(ranges[0]).toBeUndefined()
    expect(ranges).toHaveLength(4)
  })

  it('a wrong clock is corrected by that of the storage', async () => {
    fake.clockMs = 3 * 3_600_000
    const { id } = await store.put(Buffer.from('short'), { maxBytes })
    expect((await read(id)).toString()).toBe('short')
    const refused = fake.seen.length
    await read(id)
    expect(fake.seen.length).toBe(refused + 1) // corrected once
  })
})

describe('what does not pass', () => {
  it('503 for longer than the tries: storage_unavailable, and nothing is left', async () => {
    await store.put(Buffer.from('first'), { maxBytes })
    fake.misbehave = (request) => (isPart(request) ? 'slow_down' : undefined)
    const error = await store.put(randomBytes(4 * partSize), { maxBytes }).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'storage_unavailable', status: 503, retryable: true })
    expect(error.message).toContain('SlowDown')
    await expect.poll(() => fake.uploads.size).toBe(0)
    await expect.poll(() => store.state.ok).toBe(true) // the abort was answered
    expect(objectKeys()).toHaveLength(1)
  })

  it('an error with status 200 is a failure, and the upload is aborted', async () => {
    fake.misbehave = (request) => (isComplete(request) ? 'error_200' : undefined)
    const error = await store.put(randomBytes(2 * partSize), { maxBytes }).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'storage_unavailable' })
    await expect.poll(() => fake.uploads.size).toBe(0)
    expect(objectKeys()).toEqual([])
  })

  it('a body that is too large is aborted', async () => {
    await expect(store.put(randomBytes(3 * partSize), { maxBytes: 2 * partSize })).rejects.toMatchObject({
      code: 'too_large',
    })
    expect(fake.uploads.size).toBe(0)
    expect(objectKeys()).toEqual([])
  })

  it.each([
    ['a wrong secret', { secretAccessKey: 'wrong' }, /SignatureDoesNotMatch/, /JETTY_STORAGE_SECRET_ACCESS_KEY/],
    ['an unknown key', { accessKeyId: 'AKIDOTHER' }, /InvalidAccessKeyId/, /JETTY_STORAGE_ACCESS_KEY_ID/],
    ['another bucket', { bucket: 'other-bucket' }, /NoSuchBucket/, /Create the bucket/],
    ['another region', { region: 'eu-test-2' }, /AuthorizationHeaderMalformed/, /region=/],
  ])('%s is named, and is not tried again', async (_, change, message, hint) => {
    const { bucket = 'acme-files', region = 'eu-test-1', ...keys } = change as Record<string, string>
    const wrong = openS3({ ...fake, location: `s3://${bucket}/jetty?endpoint=${fake.url}&region=${region}`, ...keys })
    const error = await wrong.store.check().catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'storage_unavailable', retryable: false })
    expect(error.message).toMatch(message)
    expect(error.hint).toMatch(hint)
    expect(fake.seen).toHaveLength(1)
    expect(wrong.store.state).toMatchObject({ ok: false })
  })

  it('a server that is not there', async () => {
    await fake.close()
    const error = await store.put(Buffer.from('x'), { maxBytes }).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'storage_unavailable', retryable: true })
    expect(error.message).toMatch(/^The storage s3:\/\/acme-files\/jetty does not answer: /)
  })

  it('an object that is gone is not found', async () => {
    await expect(store.open(randomUUID())).rejects.toMatchObject({ code: 'not_found' })
  })
})

it('holds no more than a few parts of a large body', async () => {
  let produced = 0
  let sent = 0
  fake.misbehave = (request) => {
    if (isPart(request)) sent += 1
    return undefined
  }
  let most = 0
  const body = (async function* () {
    for (; produced < 200; produced++) {
      most = Math.max(most, produced - sent)
      yield Buffer.alloc(partSize, produced)
    }
  })()
  const { size } = await store.put(body, { maxBytes })
  expect(size).toBe(200 * partSize)
  expect(most).toBeLessThanOrEqual(4)
})

describe('sweeps', () => {
  const named = new Set<string>()
  const sweep = async (id: string) =>
    store.sweepUnnamed({
      part: Number.parseInt(id.slice(0, 2), 16),
      days: 7,
      named: async (ids) => new Set(ids.filter((one) => named.has(one))),
    })
  const age = (key: string, days: number) => {
    const object = fake.objects.get(key)
    if (object) object.atMs = Date.now() - days * dayMs
  }
  const keyOf = (id: string) => `jetty/objects/${id.slice(0, 2)}/${id}`
  const markOf = (id: string) => `jetty/unnamed/${id.slice(0, 2)}/${id}`
  beforeEach(async () => {
    named.clear()
    fake.objects.set(`jetty/databases/one/${Buffer.from('1/1/1').toString('hex')}/${Date.now() - 100 * dayMs}`, {
      bytes: Buffer.alloc(0),
      etag: '""',
      atMs: Date.now(),
    })
  })

  it('marks an orphan after a day, and removes it some days after that', async () => {
    const { id } = await store.put(Buffer.from('orphan'), { maxBytes })
    expect(await sweep(id)).toEqual({ setAside: 0, restored: 0, removed: 0 })
    age(keyOf(id), 1.1)
    expect(await sweep(id)).toEqual({ setAside: 1, restored: 0, removed: 0 })
    expect((await read(id)).toString()).toBe('orphan')
    age(keyOf(id), 30)
    expect(await sweep(id)).toEqual({ setAside: 0, restored: 0, removed: 0 })
    age(markOf(id), 7.1)
    expect(await sweep(id)).toEqual({ setAside: 0, restored: 0, removed: 1 })
    await expect(store.open(id)).rejects.toMatchObject({ code: 'not_found' })
    expect(fake.objects.has(markOf(id))).toBe(false)
  })

  it('keeps what a row names after all, and what is older than the note of its database', async () => {
    const { id } = await store.put(Buffer.from('late'), { maxBytes })
    age(keyOf(id), 2)
    expect(await sweep(id)).toMatchObject({ setAside: 1 })
    age(markOf(id), 30)
    named.add(id)
    expect(await sweep(id)).toEqual({ setAside: 0, restored: 1, removed: 0 })
    expect((await read(id)).toString()).toBe('late')
    named.clear()
    age(keyOf(id), 101)
    expect(await sweep(id)).toEqual({ setAside: 0, restored: 0, removed: 0 })
  })

  it('aborts uploads that a crash left a day ago', async () => {
    fake.uploads.set('old+/=', { key: 'jetty/objects/ab/old', atMs: Date.now() - 2 * dayMs, parts: new Map() })
    fake.uploads.set('young', { key: 'jetty/objects/ab/young', atMs: Date.now(), parts: new Map() })
    expect(await store.sweepTemporary()).toBe(1)
    expect([...fake.uploads.keys()]).toEqual(['young'])
  })

  it('goes through more than a page', async () => {
    for (let n = 0; n < 45; n++) {
      const id = `ab${randomUUID().slice(2)}`
      fake.objects.set(keyOf(id), { bytes: Buffer.alloc(0), etag: '""', atMs: Date.now() - 2 * dayMs })
    }
    expect(await sweep('ab')).toEqual({ setAside: 45, restored: 0, removed: 0 })
  })
})
