import { Readable } from 'node:stream'
import { inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ZipEntry, zipArchive } from './zip.ts'

const made = async (entries: ZipEntry[]): Promise<Buffer> => {
  const chunks = []
  for await (const chunk of zipArchive(entries)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Reads an archive by its directory, as every unpacker does. */
const unpacked = (zip: Buffer): Record<string, Buffer> => {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06'))
  const files: Record<string, Buffer> = {}
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    expect(zip.readUInt32LE(at)).toBe(0x02014b50)
    const [compressed, size] = [zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 24)]
    const [nameLength, extraLength] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30)]
    const local = zip.readUInt32LE(at + 42)
    const name = zip.subarray(at + 46, at + 46 + nameLength).toString()
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    expect(zip.subarray(local + 30, local + 30 + nameLength).toString()).toBe(name)
    files[name] = inflateRawSync(zip.subarray(from, from + compressed))
    expect(files[name].length).toBe(size)
    at += 46 + nameLength + extraLength
  }
  expect(at).toBe(end)
  return files
}

test('what was put in comes out', async () => {
  const file = fc.uint8Array({ maxLength: 3000 })
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.constantFrom('a.txt', 'ü/b', 'c', '__x__'), file), async (files) => {
      const entries = Object.entries(files).map(([name, bytes]) => ({
        name,
        modified: new Date('2026-11-25T08:30:00Z'),
        size: bytes.length,
        open: async () => Readable.from([Buffer.from(bytes)], { objectMode: false }),
      }))
      const out = unpacked(await made(entries))
      expect(Object.keys(out)).toEqual(Object.keys(files))
      for (const [name, bytes] of Object.entries(files)) expect(out[name]?.equals(bytes)).toBe(true)
    }),
  )
})

test('a file that breaks off breaks the archive off', async () => {
  const broken = Readable.from(
    (async function* () {
      yield Buffer.from('x')
      throw new Error('disk gone')
    })(),
  )
  const entry = { name: 'a', modified: new Date(0), size: 5, open: async () => broken }
  await expect(made([entry])).rejects.toThrow('disk gone')
})
