import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { type Pack, pack } from 'tar-stream'
import { describe, expect, it, test } from 'vitest'
import { type Entry, fromBufferPromise } from 'yauzl'
import { readTar, tarEnd, tarEntry, type ZipEntry, zipArchive } from './archives.ts'

const archive = async function* (entries: readonly (readonly [string, Uint8Array])[]) {
  for (const [name, bytes] of entries) yield* tarEntry(name, bytes.length, [bytes])
  yield tarEnd()
}
const packed = (entries: readonly (readonly [string, Uint8Array])[]) => buffer(Readable.from(archive(entries)))
const unpacked = async (bytes: Buffer, chunk = bytes.length) => {
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, n) =>
    bytes.subarray(n * chunk, (n + 1) * chunk),
  )
  const found: [string, Buffer, string | undefined][] = []
  for await (const { name, body, sha256Before } of readTar(Readable.from(chunks), 'last')) {
    found.push([name, await buffer(Readable.from(body, { objectMode: false })), sha256Before])
  }
  return found
}

describe('an archive', () => {
  it('gives back every entry, whatever the chunks it arrives in', async () => {
    const entry = fc.tuple(fc.stringMatching(/^[a-z]{1,20}$/), fc.uint8Array({ maxLength: 2000 }))
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 5 }), fc.integer({ min: 1, max: 3000 }), async (entries, chunk) => {
        const found = await unpacked(await packed(entries), chunk)
        expect(found.map(([name, bytes]) => [name, bytes.toString('hex')])).toEqual(
          entries.map(([name, bytes]) => [name, Buffer.from(bytes).toString('hex')]),
        )
      }),
      { numRuns: 50 },
    )
  })

  it('knows the hash of what comes before an entry', async () => {
    const bytes = await packed([
      ['first', Buffer.from('one')],
      ['last', Buffer.from('two')],
    ])
    const before = createHash('sha256').update(bytes.subarray(0, 1024)).digest('hex')
    expect((await unpacked(bytes)).map(([, , hash]) => hash)).toEqual([undefined, before])
  })

  it('skips what of an entry was not read', async () => {
    const bytes = await packed([
      ['first', Buffer.alloc(5000, 1)],
      ['second', Buffer.from('two')],
    ])
    const names: string[] = []
    for await (const { name } of readTar(Readable.from([bytes]), '')) names.push(name)
    expect(names).toEqual(['first', 'second'])
  })

  it('is refused where it was cut off or changed, or is none', async () => {
    const bytes = await packed([['first', Buffer.alloc(600, 1)]])
    for (const cut of [100, 512, 900, 1100, 1120]) {
      await expect(unpacked(bytes.subarray(0, cut), 512)).rejects.toMatchObject({ code: 'invalid' })
    }
    const changed = Buffer.from(bytes)
    changed[0] = 0x7a
    await expect(unpacked(changed)).rejects.toThrow('no archive')
  })

  it.each<[string, Parameters<Pack['entry']>[0]]>([
    ['a link', { name: 'x', type: 'symlink', linkname: '/etc/passwd' }],
    ['a folder', { name: 'x/', type: 'directory' }],
    ['a size that is none', { name: 'x', type: 'file', pax: { size: 'many' } }],
    ['a size below zero', { name: 'x', type: 'file', pax: { size: '-512' } }],
    ['a size without end', { name: 'x', type: 'file', pax: { size: '9'.repeat(30) } }],
    ['a name of megabytes', { name: 'x', type: 'file', pax: { path: 'x'.repeat(5 * 1024 * 1024) } }],
  ])('is refused with %s', async (_, header) => {
    const archive = pack()
    archive.entry(header, '')
    archive.finalize()
    await expect(unpacked(await buffer(Readable.from(archive)))).rejects.toThrow('no archive')
  })

  it('is refused where nothing but zeros follows', async () => {
    let chunks = 0
    const zeros = async function* () {
      for (; chunks < 1000; chunks++) yield Buffer.alloc(1024 * 1024)
    }
    await expect(readTar(zeros(), 'last').next()).rejects.toThrow('no archive')
    expect(chunks).toBeLessThan(20)
  })

  it('can be listed by tar', async () => {
    const bytes = await packed([
      ['backup.json', Buffer.from('{}')],
      ['objects/0e2d2b2c-6c5e-4d1c-9b57-0a3c9d1f2e11', Buffer.alloc(600)],
    ])
    expect(execFileSync('tar', ['tf', '-'], { input: bytes, encoding: 'utf8' })).toBe(
      'backup.json\nobjects/0e2d2b2c-6c5e-4d1c-9b57-0a3c9d1f2e11\n',
    )
  })

  it('cannot be written with another size than announced', async () => {
    const write = (size: number) => buffer(Readable.from(tarEntry('x', size, [Buffer.from('four')])))
    await expect(write(3)).rejects.toThrow('and not 3')
    await expect(write(5)).rejects.toThrow('and not 5')
  })
})

const modified = new Date('2026-11-25T08:30:07Z')
const entry = (name: string, open: ZipEntry['open']): ZipEntry => ({ name, modified, open })
const fileOf = (name: string, bytes: Uint8Array): ZipEntry => entry(name, async () => Readable.from([bytes]))

const zipped = async (entries: ZipEntry[]): Promise<Buffer> => buffer(await zipArchive(entries))

/** Reads an archive by its directory, checksums included. */
const unzipped = async (zip: Buffer): Promise<{ entry: Entry; bytes: Buffer }[]> => {
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
      const out = await unzipped(await zipped(Object.entries(files).map(([path, bytes]) => fileOf(path, bytes))))
      expect(out.map((one) => one.entry.fileName)).toEqual(Object.keys(files))
      for (const one of out) expect(one.bytes.equals(files[one.entry.fileName] as Uint8Array)).toBe(true)
    }),
    { numRuns: 40 },
  )
})

test('an entry has the time of its file in UTC, to the second', async () => {
  const [one] = await unzipped(await zipped([fileOf('a', Buffer.from('x'))]))
  expect(one?.entry.getLastModDate()).toEqual(modified)
})

test('a time that ZIP cannot hold becomes the nearest one that it can', async () => {
  const old = { ...fileOf('a', Buffer.from('x')), modified: new Date(0) }
  const [one] = await unzipped(await zipped([old]))
  expect(one?.entry.getLastModDate()).toEqual(new Date(0))
})

test('a name that begins like a Windows drive is kept but for its colon', async () => {
  const out = await unzipped(await zipped([fileOf('a:b.txt', Buffer.from('x')), fileOf('ab:c.txt', Buffer.from('y'))]))
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
  await zipped(['a', 'b', 'c'].map(counted))
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
  await expect(zipped([entry('a', broken)])).rejects.toThrow('disk gone')
})

test('a file that cannot be opened breaks the archive off', async () => {
  await expect(zipped([entry('a', () => Promise.reject(new Error('no such object')))])).rejects.toThrow(
    'no such object',
  )
})
