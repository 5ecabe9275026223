import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Entry, fromBufferPromise } from 'yauzl'
import { type ZipEntry, zipArchive } from './zip.ts'

const modified = new Date('2026-11-25T08:30:07Z')
const entry = (name: string, open: ZipEntry['open']): ZipEntry => ({ name, modified, open })
const fileOf = (name: string, bytes: Uint8Array): ZipEntry => entry(name, async () => Readable.from([bytes]))

const made = async (entries: ZipEntry[]): Promise<Buffer> => buffer(await zipArchive(entries))

/** Reads an archive by its directory, checksums included. */
const unpacked = async (zip: Buffer): Promise<{ entry: Entry; bytes: Buffer }[]> => {
  const opened = await fromBufferPromise(zip, { lazyEntries: true })
  const files: { entry: Entry; bytes: Buffer }[] = []
  for await (const one of opened.eachEntry()) {
    files.push({ entry: one, bytes: await buffer(await opened.openReadStreamPromise(one)) })
  }
  return files
}

test('every file comes out as it went in', async () => {
  const name = fc.constantFrom('a.txt', 'ü/b', '東京 🚀.md', 'c', '__x__')
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, fc.uint8Array({ maxLength: 3000 })), async (files) => {
      const out = await unpacked(await made(Object.entries(files).map(([path, bytes]) => fileOf(path, bytes))))
      expect(out.map((one) => one.entry.fileName)).toEqual(Object.keys(files))
      for (const one of out) expect(one.bytes.equals(files[one.entry.fileName] as Uint8Array)).toBe(true)
    }),
    { numRuns: 40 },
  )
})

test('an entry has the time of its file in UTC, to the second', async () => {
  const [one] = await unpacked(await made([fileOf('a', Buffer.from('x'))]))
  expect(one?.entry.getLastModDate()).toEqual(modified)
})

test('a time that ZIP cannot hold becomes the nearest one that it can', async () => {
  const old = { ...fileOf('a', Buffer.from('x')), modified: new Date(0) }
  const [one] = await unpacked(await made([old]))
  expect(one?.entry.getLastModDate()).toEqual(new Date(0))
})

test('a name that begins like a Windows drive is kept but for its colon', async () => {
  const out = await unpacked(await made([fileOf('a:b.txt', Buffer.from('x')), fileOf('ab:c.txt', Buffer.from('y'))]))
  expect(out.map((one) => one.entry.fileName)).toEqual(['a_b.txt', 'ab:c.txt'])
})

const endless = () => {
  let given = 0
  const source = new Readable({
    read() {
      given += 65_536
      this.push(randomBytes(65_536)) // what deflate makes small would take long to fill a buffer
    },
  })
  return { source, given: () => given }
}

test('a file is read no faster than the archive, and closed with it', async () => {
  const { source, given } = endless()
  const archive = await zipArchive([entry('a', async () => source)])
  await expect.poll(() => archive.readableLength).toBeGreaterThan(0)
  for (let turns = 0; turns < 500; turns++) await turn()
  expect(given()).toBeLessThan(4 * 1024 ** 2)
  archive.destroy()
  await expect.poll(() => source.destroyed).toBe(true)
})

test('a file that opens after the archive was given up is closed at once', async () => {
  const { source } = endless()
  let open = (_: Readable) => {}
  const archive = await zipArchive([entry('a', () => new Promise((resolve) => (open = resolve)))])
  archive.destroy()
  open(source)
  await expect.poll(() => source.destroyed).toBe(true)
})

test('files are opened one after the other', async () => {
  let open = 0
  let most = 0
  const counted = (name: string) =>
    entry(name, async () => {
      most = Math.max(most, ++open)
      return Readable.from([Buffer.from(name)]).once('close', () => open--)
    })
  await made(['a', 'b', 'c'].map(counted))
  expect([open, most]).toEqual([0, 1])
})

test('a file that breaks off breaks the archive off', async () => {
  const broken = async () =>
    Readable.from(
      (async function* () {
        yield Buffer.from('x')
        throw new Error('disk gone')
      })(),
    )
  await expect(made([entry('a', broken)])).rejects.toThrow('disk gone')
})

test('a file that cannot be opened breaks the archive off', async () => {
  await expect(made([entry('a', () => Promise.reject(new Error('no such object')))])).rejects.toThrow('no such object')
})
