import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AppError } from '../../lib/errors.ts'
import { diskError, openDiskObjects } from './disk.ts'
import type { ObjectStore } from './objects.ts'

let folder: string
let objects: ObjectStore
const maxBytes = 1_000_000

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jetty-objects-'))
  objects = await openDiskObjects(folder, async () => ({ installation: 'one', origin: '1/1/1' }))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const filesIn = async (name: string) =>
  (await readdir(join(folder, name), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())

const read = async (id: string, range?: { start: number; end?: number }) =>
  buffer((await objects.open(id, range)).stream)

it('keeps bytes and streams alike', async () => {
  const bytes = randomBytes(300_000)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const halves = [bytes.subarray(0, 1000), bytes.subarray(1000)]
  for (const body of [
    bytes,
    Readable.from(halves),
    (async function* () {
      yield* halves
    })(),
  ]) {
    const stored = await objects.put(body, { maxBytes })
    expect(stored).toMatchObject({ size: bytes.length, sha256 })
    expect((await read(stored.id)).equals(bytes)).toBe(true)
    const path = join(folder, 'objects', stored.id.slice(0, 2), stored.id.slice(2, 4), stored.id)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  }
  expect(await filesIn('tmp')).toEqual([])
})

it.each([
  [{ start: 0 }, '0123456789'],
  [{ start: 3 }, '3456789'],
  [{ start: 3, end: 5 }, '345'],
  [{ start: 9, end: 99 }, '9'],
  [{ start: 10 }, ''],
])('reads the range %j', async (range, expected) => {
  const { id } = await objects.put(Buffer.from('0123456789'), { maxBytes })
  expect((await read(id, range)).toString()).toBe(expected)
  const opened = await objects.open(id, range)
  opened.stream.destroy()
  expect(opened.size).toBe(10)
})

it('keeps an empty object', async () => {
  const { id, size } = await objects.put(Readable.from([]), { maxBytes })
  expect(size).toBe(0)
  expect(await read(id)).toHaveLength(0)
})

it('refuses what is too large, stops reading, and leaves nothing behind', async () => {
  let produced = 0
  const endless = (async function* () {
    for (;;) {
      produced += 1
      yield Buffer.alloc(100_000)
    }
  })()
  const error = await objects.put(endless, { maxBytes: 1024 * 1024 }).catch((thrown) => thrown)
  expect(error).toBeInstanceOf(AppError)
  expect(error).toMatchObject({ code: 'too_large', message: 'File too large. Maximum allowed size is 1 MiB' })
  expect(produced).toBe(11)
  expect(await filesIn('tmp')).toEqual([])
  expect(await filesIn('objects')).toEqual([])
  await objects.put(Buffer.alloc(1024), { maxBytes: 1024 })
})

it('leaves nothing behind when the sender breaks off', async () => {
  const broken = new Readable({ read() {} })
  broken.push(Buffer.alloc(1000))
  setTimeout(() => broken.destroy(new Error('connection lost')), 20)
  await expect(objects.put(broken, { maxBytes })).rejects.toThrow('connection lost')
  expect(await filesIn('tmp')).toEqual([])
  expect(await filesIn('objects')).toEqual([])
})

it('removes objects, those already gone included', async () => {
  const { id } = await objects.put(Buffer.from('x'), { maxBytes })
  await objects.remove([id])
  await objects.remove([id])
  await expect(objects.open(id)).rejects.toMatchObject({ code: 'not_found' })
})

it.each(['', '../../etc/passwd', 'ab/cd', '..'])('takes no path for an id: %j', async (id) => {
  await expect(objects.open(id)).rejects.toMatchObject({ code: 'not_found' })
  await expect(objects.remove([id])).rejects.toMatchObject({ code: 'not_found' })
})

it('sweeps what crashed uploads left more than a day ago', async () => {
  const old = join(folder, 'tmp', 'old')
  await writeFile(old, 'x')
  await writeFile(join(folder, 'tmp', 'fresh'), 'x')
  const twoDaysAgo = new Date(Date.now() - 48 * 3_600_000)
  await utimes(old, twoDaysAgo, twoDaysAgo)
  expect(await objects.sweepTemporary()).toBe(1)
  expect(await readdir(join(folder, 'tmp'))).toEqual(['fresh'])
})

it('says what to do about a full disk', () => {
  for (const code of ['ENOSPC', 'EDQUOT']) {
    const error = diskError(Object.assign(new Error(code), { code }), '/data')
    expect(error).toMatchObject({ code: 'storage_full', status: 507, retryable: true })
  }
  const gone = diskError(Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' }), '/data')
  expect(gone).toMatchObject({ code: 'storage_unavailable', status: 503, message: expect.stringContaining('/data') })
  const other = new Error('other')
  expect(diskError(other, '/data')).toBe(other)
})

it('stores an object under an id whose earlier copy was killed while it was written', async () => {
  const id = '0e2d2b2c-6c5e-4d1c-9b57-0a3c9d1f2e11'
  await writeFile(join(folder, 'tmp', id), 'half')
  expect(await objects.put(Buffer.from('whole'), { maxBytes, id })).toMatchObject({ id, size: 5 })
  expect((await read(id)).toString()).toBe('whole')
})
