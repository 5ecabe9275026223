// Previews of files of 1 GiB and of hostile ones, in the process and with the limits of a server. Prints time and memory.
import { execFileSync } from 'node:child_process'
import { createWriteStream, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ZipFile } from 'yazl'
import { PreviewFailed } from '../../src/datasets/preview/preview.ts'
import { runPreview } from '../../src/datasets/preview/run-preview.ts'
import { writeLargeParquet } from '../preview/large-parquet.ts'
import { nestedParquet } from '../preview/parquet-files.ts'

const mebibyte = 2 ** 20
const gibibyte = 2 ** 30
const limits = { seconds: 30, memoryBytes: 512 * mebibyte }

let folder: string
const file = (name: string) => join(folder, name)

const write = async (name: string, chunk: Buffer, bytes = gibibyte): Promise<void> => {
  const chunks = function* () {
    for (let written = 0; written < bytes; written += chunk.length) yield chunk
  }
  const packed = name.endsWith('.gz') ? createGzip({ level: 1 }) : new PassThrough()
  await pipeline(Readable.from(chunks()), packed, createWriteStream(file(name)))
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jetty-preview-'))
  await write('big.csv', Buffer.from('1,abc,2.5\n'.repeat(100_000)))
  const zip = new ZipFile()
  zip.addFile(file('big.csv'), 'data/big.csv', { compress: false })
  zip.end()
  await pipeline(zip.outputStream, createWriteStream(file('big.zip')))
  await writeLargeParquet(file('pages.parquet'), { bytes: gibibyte, pageBytes: mebibyte })
  await writeLargeParquet(file('groups.parquet'), { bytes: gibibyte, pageBytes: gibibyte })
}, 600_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

/** The most memory that children of this process have had while some work went on, in MiB. */
const peakOfChildren = async <T>(work: () => Promise<T>): Promise<{ result: T; mebibytes: number }> => {
  let kibibytes = 0
  const look = () => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8')
        if (Number(/PPid:\s+(\d+)/.exec(status)?.[1]) !== process.pid) continue
        kibibytes = Math.max(kibibytes, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
      } catch {
        // It has ended.
      }
    }
  }
  const looking = setInterval(look, 20)
  const result = await work().finally(() => clearInterval(looking))
  return { result, mebibytes: Math.round(kibibytes / 1024) }
}

/** Previews a file of the folder, and prints what that took. Gives the failure where there is one. */
const measured = async (name: string) => {
  const handle = await open(file(name))
  const { size } = await stat(file(name))
  let read = 0
  const source = {
    name,
    size,
    read: async (start: number, end: number) => {
      const buffer = Buffer.alloc(Math.max(0, Math.min(end, size) - start))
      await handle.read(buffer, 0, buffer.length, start)
      read += buffer.length
      return buffer
    },
  }
  const begun = performance.now()
  const { result, mebibytes } = await peakOfChildren(() =>
    runPreview(source, limits).catch((error: unknown) => {
      if (error instanceof PreviewFailed) return error
      throw error
    }),
  )
  await handle.close()
  const seconds = Math.round(performance.now() - begun) / 1000
  const said = result instanceof PreviewFailed ? `${result.reason}: ${result.message}` : `${result.rows.length} rows`
  console.log(JSON.stringify({ name, size, read, seconds, mebibytes, said }))
  return { result, read, mebibytes }
}

describe('a file of 1 GiB', () => {
  const numbers = [{ type: 'integer' }, { type: 'text' }, { type: 'number' }]
  test.each([
    ['big.csv', numbers],
    ['big.zip', numbers],
    ['pages.parquet', [...numbers, { type: 'object' }, { name: 'body', type: 'text' }]],
    // One page has the long texts of a whole row group: more than a preview may unpack.
    ['groups.parquet', [...numbers, { type: 'object' }, { name: 'body', type: 'skipped' }]],
  ])('%s: a few MiB of it are read', async (name, columns) => {
    const { result, read, mebibytes } = await measured(name)
    expect((await stat(file(name))).size).toBeGreaterThanOrEqual(gibibyte)
    expect(result).toMatchObject({ truncated: true, columns })
    expect(result).toHaveProperty('rows.length', 100)
    expect(read).toBeLessThan(8 * mebibyte)
    expect(mebibytes).toBeLessThan(250)
  })
})

describe('a hostile file ends in an error that names it', () => {
  const hostile: Record<string, { make(name: string): Promise<void>; said: RegExp }> = {
    'bomb.csv.gz': { make: (name) => write(name, Buffer.alloc(mebibyte, 'a')), said: /100 times as many/ },
    'line.csv': { make: (name) => write(name, Buffer.alloc(mebibyte, 'x')), said: /first line of line.csv is longer/ },
    'element.json': { make: (name) => write(name, Buffer.alloc(mebibyte, '["')), said: /element.json/ },
    'deep.jsonl': { make: (name) => write(name, Buffer.alloc(mebibyte, '[')), said: /deep.jsonl/ },
    'zeros.parquet': { make: (name) => write(name, Buffer.alloc(mebibyte)), said: /zeros.parquet does not begin/ },
    'footer.parquet': {
      make: async (name) => {
        await writeFile(file(name), 'PAR1')
        execFileSync('truncate', ['-s', `${gibibyte}`, file(name)])
        const end = Buffer.from('....PAR1')
        end.writeUInt32LE(900_000_000)
        await writeFile(file(name), end, { flag: 'a' })
      },
      said: /footer of footer.parquet has 900000000 bytes/,
    },
  }
  test.each(Object.keys(hostile))('%s', async (name) => {
    await hostile[name]?.make(name)
    const { result, mebibytes } = await measured(name)
    expect(result).toBeInstanceOf(PreviewFailed)
    expect((result as PreviewFailed).message).toMatch(hostile[name]?.said ?? /nothing/)
    expect(mebibytes).toBeLessThan(limits.memoryBytes / mebibyte)
  })

  test('parquet with a changed byte in its footer', { timeout: 600_000 }, async () => {
    const said = new Map<string, number>()
    const begun = performance.now()
    let slowest = 0
    const { mebibytes } = await peakOfChildren(async () => {
      for (let at = nestedParquet.length - 9; at > nestedParquet.length - 300; at -= 7) {
        const broken = Buffer.from(nestedParquet)
        broken[at] = (broken[at] ?? 0) ^ 0xff
        const from = performance.now()
        const source = {
          name: 'broken.parquet',
          size: broken.length,
          read: async (start: number, end: number) => broken.subarray(start, end),
        }
        const reason = await runPreview(source, { ...limits, seconds: 5 }).then(
          () => 'shown',
          (error: unknown) => (error instanceof PreviewFailed ? error.reason : 'another error'),
        )
        said.set(reason, (said.get(reason) ?? 0) + 1)
        slowest = Math.max(slowest, performance.now() - from)
      }
    })
    const seconds = Math.round(performance.now() - begun) / 1000
    console.log(JSON.stringify({ broken: Object.fromEntries(said), seconds, slowest: slowest / 1000, mebibytes }))
    expect(said.has('another error')).toBe(false)
  })
})
