import { createWriteStream } from 'node:fs'
import { type FileHandle, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ZipFile } from 'yazl'
import { runPreview } from '../../src/preview/run-preview.ts'

const gibibyte = 2 ** 30
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jetty-preview-'))
  const lines = Buffer.from('1,abc,2.5\n'.repeat(100_000))
  const file = createWriteStream(join(folder, 'big.csv'))
  for (let written = 0; written < gibibyte; written += lines.length) {
    if (!file.write(lines)) await new Promise<void>((resolve) => file.once('drain', () => resolve()))
  }
  await new Promise<void>((resolve) => file.end(() => resolve()))
  const zip = new ZipFile()
  zip.addFile(join(folder, 'big.csv'), 'data/big.csv', { compress: false })
  zip.end()
  await pipeline(zip.outputStream, createWriteStream(join(folder, 'big.zip')))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const sourceOf = async (name: string) => {
  const handle: FileHandle = await open(join(folder, name))
  const { size } = await stat(join(folder, name))
  const counted = { bytes: 0 }
  const read = async (start: number, end: number) => {
    const buffer = Buffer.alloc(Math.min(end, size) - start)
    await handle.read(buffer, 0, buffer.length, start)
    counted.bytes += buffer.length
    return buffer
  }
  return { source: { name, size, read }, counted, close: () => handle.close() }
}

test.each(['big.csv', 'big.zip'])('of %s with 1 GiB less than 4 MiB are read, in 160 MiB of memory', async (name) => {
  const { source, counted, close } = await sourceOf(name)
  expect(source.size).toBeGreaterThanOrEqual(gibibyte)
  const preview = await runPreview(source, { seconds: 30, memoryBytes: 160 * 2 ** 20 })
  await close()
  expect(preview).toMatchObject({
    truncated: true,
    columns: [{ type: 'integer' }, { type: 'text' }, { type: 'number' }],
  })
  expect(preview.rows).toHaveLength(100)
  expect(counted.bytes).toBeLessThan(4 * 2 ** 20)
})
