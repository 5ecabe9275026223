import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { nestedParquet } from '../../../test/preview/parquet-files.ts'
import { PreviewFailed } from './preview.ts'
import { runPreview } from './run-preview.ts'

const limits = { seconds: 30, memoryBytes: 512 * 1024 * 1024 }
const sourceOf = (name: string, content: string | Uint8Array) => {
  const bytes = Buffer.from(content)
  return { name, size: bytes.length, read: async (start: number, end: number) => bytes.subarray(start, end) }
}

it('shows a file in a process of its own, and passes its errors on', async () => {
  expect(await runPreview(sourceOf('a.csv', 'id\n1\n'), limits)).toMatchObject({ rows: [[1]] })
  await expect(runPreview(sourceOf('a.bin', 'x'), limits)).rejects.toMatchObject({ reason: 'unsupported' })
})

it('ends a preview that takes too long or too much memory', async () => {
  const silent = { name: 'a.csv', size: 100, read: () => new Promise<Uint8Array>(() => {}) }
  await expect(runPreview(silent, { ...limits, seconds: 1 })).rejects.toMatchObject({ reason: 'timeout' })
  const csv = sourceOf('a.csv.gz', gzipSync('a,b\n'.repeat(100_000)))
  await expect(runPreview(csv, { ...limits, memoryBytes: 16 * 1024 * 1024 })).rejects.toMatchObject({
    reason: 'memory',
  })
})

it('passes on that the file cannot be read', async () => {
  const gone = { name: 'a.csv', size: 100, read: async () => Promise.reject(new Error('storage is away')) }
  await expect(runPreview(gone, limits)).rejects.toThrow('storage is away')
})

it('parquet with a changed byte ends in a preview or in an error of the preview, also where reading it never ends', async () => {
  for (const at of [6, 40, 200, nestedParquet.length - 120, nestedParquet.length - 30]) {
    const broken = Buffer.from(nestedParquet)
    broken[at] = (broken[at] ?? 0) ^ 0xff
    const result = await runPreview(sourceOf('a.parquet', broken), { ...limits, seconds: 5 }).catch(
      (error: unknown) => error,
    )
    expect([at, result instanceof PreviewFailed || Array.isArray((result as { rows: unknown }).rows)]).toEqual([
      at,
      true,
    ])
  }
})
