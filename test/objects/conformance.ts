/** What every object store promises: the same tests over disk, a fake S3 and a real one. */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../src/store/objects/objects.ts'
import type { DatabaseIdentity } from '../../src/store/objects/owner.ts'

export interface StoreOfTest {
  /** Opens the same store for a database. */
  open(identity: DatabaseIdentity): Promise<ObjectStore>
  close(): Promise<void>
}

export interface Conformance {
  name: string
  start(): Promise<StoreOfTest>
  /** Size of a body that this store takes in several parts. */
  largeBytes: number
}

const maxBytes = 1024 ** 3

const drip = async function* (bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export const testObjectStore = ({ name, start, largeBytes }: Conformance): void => {
  describe(`object store: ${name}`, () => {
    let place: StoreOfTest
    let store: ObjectStore
    beforeAll(async () => {
      place = await start()
      store = await place.open({ installation: 'one', origin: '1/1/1' })
    })
    afterAll(() => place?.close())

    const read = async (id: string, range?: { start: number; end?: number }) =>
      buffer((await store.open(id, range)).stream)

    it.each([0, 1, 300_000])('keeps %i bytes, from memory and as a stream', async (size) => {
      const bytes = randomBytes(size)
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      for (const body of [bytes, Readable.from(size === 0 ? [] : [bytes]), drip(bytes, 1000)]) {
        const stored = await store.put(body, { maxBytes })
        expect(stored).toMatchObject({ size, sha256 })
        expect((await read(stored.id)).equals(bytes)).toBe(true)
        await store.remove([stored.id])
      }
    })

    it('keeps a body in several parts, whatever the size of its chunks', async () => {
      for (const [size, chunk] of [
        [largeBytes, 65_536],
        [largeBytes * 2 + 7, largeBytes],
      ] as const) {
        const bytes = randomBytes(size)
        const stored = await store.put(drip(bytes, chunk), { maxBytes })
        expect(stored.sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
        expect((await read(stored.id)).equals(bytes)).toBe(true)
        const middle = await read(stored.id, { start: largeBytes - 10, end: largeBytes + 9 })
        expect(middle.equals(bytes.subarray(largeBytes - 10, largeBytes + 10))).toBe(true)
        await store.remove([stored.id])
      }
    })

    it.each([
      [{ start: 0 }, '0123456789'],
      [{ start: 3 }, '3456789'],
      [{ start: 3, end: 5 }, '345'],
      [{ start: 0, end: 0 }, '0'],
      [{ start: 9, end: 99 }, '9'],
      [{ start: 10 }, ''],
      [{ start: 5, end: 4 }, ''],
    ])('reads the range %j', async (range, expected) => {
      const { id } = await store.put(Buffer.from('0123456789'), { maxBytes })
      expect((await read(id, range)).toString()).toBe(expected)
      const opened = await store.open(id, range)
      opened.stream.destroy()
      expect(opened.size).toBe(10)
      await store.remove([id])
    })

    it('stores a copy under the id that it is given', async () => {
      const id = randomUUID()
      expect((await store.put(Buffer.from('copy'), { maxBytes, id })).id).toBe(id)
      expect((await read(id)).toString()).toBe('copy')
      await store.remove([id])
    })

    it('refuses what is too large and stops reading', async () => {
      let produced = 0
      const endless = (async function* () {
        for (;;) {
          produced += 1
          yield Buffer.alloc(100_000)
        }
      })()
      const error = await store.put(endless, { maxBytes: 1024 * 1024 }).catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'too_large', message: 'File too large. Maximum allowed size is 1 MiB' })
      expect(produced).toBe(11)
    })

    it('passes on why a sender broke off', async () => {
      const broken = new Readable({ read() {} })
      broken.push(Buffer.alloc(1000))
      setTimeout(() => broken.destroy(new Error('connection lost')), 20)
      await expect(store.put(broken, { maxBytes })).rejects.toThrow('connection lost')
    })

    it('gives a link to a bucket that reads one object for a while, and to no other', async () => {
      const { id } = await store.put(Buffer.from('linked'), { maxBytes })
      const link = async (seconds: number) =>
        store.link(id, { seconds, disposition: 'attachment; filename="a b.txt"', contentType: 'text/x-test' })
      const url = await link(60)
      if (!store.isRemote) return expect(url).toBeUndefined()
      const read = (address = '', headers = {}) => fetch(address, { headers })
      const whole = await read(url)
      expect([whole.status, await whole.text()]).toEqual([200, 'linked'])
      expect(whole.headers.get('content-disposition')).toBe('attachment; filename="a b.txt"')
      expect(whole.headers.get('content-type')).toBe('text/x-test')
      expect(await (await read(url, { range: 'bytes=1-2' })).text()).toBe('in')
      expect((await read(url?.replace(id, randomUUID()))).status).toBe(403)
      const brief = await link(1)
      await expect.poll(async () => (await read(brief)).status).toBe(403)
      await store.remove([id])
    })

    it('removes objects, those already gone included, one and many', async () => {
      const stored = await Promise.all(['a', 'b', 'c'].map((text) => store.put(Buffer.from(text), { maxBytes })))
      const ids = stored.map(({ id }) => id)
      await store.remove(ids.slice(0, 1))
      await store.remove([...ids, randomUUID()])
      await store.remove([])
      for (const id of ids) await expect(store.open(id)).rejects.toMatchObject({ code: 'not_found' })
    })

    it.each(['', '../../etc/passwd', 'ab/cd', '..', 'ABCDEF00-0000-0000-0000-000000000000'])(
      'takes no path for an id: %j',
      async (id) => {
        await expect(store.open(id)).rejects.toMatchObject({ code: 'not_found' })
        await expect(store.remove([id])).rejects.toMatchObject({ code: 'not_found' })
        await expect(store.put(Buffer.from('x'), { maxBytes, id })).rejects.toMatchObject({ code: 'not_found' })
      },
    )

    it('works', async () => {
      await store.check()
      expect(store.state).toEqual({ ok: true, reason: null })
      expect(await store.sweepTemporary()).toBe(0)
    })

    it('removes nothing for a copy of the database, and sweeps nothing beside another installation', async () => {
      const { id } = await store.put(Buffer.from('kept'), { maxBytes })
      expect(await store.owner()).toMatchObject({ state: 'alone' })
      const copy = await place.open({ installation: 'one', origin: '2/1/1' })
      expect(await copy.owner()).toMatchObject({ state: 'copied', others: ['1/1/1'] })
      await copy.remove([id])
      expect((await read(id)).toString()).toBe('kept')
      const other = await place.open({ installation: 'two', origin: '3/1/1' })
      expect(await other.owner()).toMatchObject({ state: 'shared' })
      const sweep = { part: Number.parseInt(id.slice(0, 2), 16), days: 1, named: async () => new Set<string>() }
      expect([await copy.sweepUnnamed(sweep), await other.sweepUnnamed(sweep)]).toEqual([undefined, undefined])
    })
  })
}
