import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeByteBlocks, readLines, readStart, readWhole } from './byte-blocks.ts'

const chunksOf = async function* (...texts: string[]) {
  for (const text of texts) yield new TextEncoder().encode(text)
}

const lineTexts = async (...texts: string[]) => {
  const lines: string[] = []
  for await (const line of readLines(chunksOf(...texts))) lines.push(line.toString())
  return lines
}

test('the bytes come back in order, whatever the chunks were', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 30 }), fc.boolean(), (chunks, ownsChunks) => {
      const whole = Buffer.concat(chunks)
      const bytes = makeByteBlocks({ ownsChunks })
      for (const chunk of chunks) bytes.add(Uint8Array.from(chunk))
      expect(bytes.size).toBe(whole.length)
      expect(bytes.take().equals(whole)).toBe(true)
      expect(bytes).toMatchObject({ size: 0, held: 0 })
    }),
  )
})

test('blocks take little more than the bytes in them', () => {
  const bytes = makeByteBlocks()
  const piece = Buffer.alloc(1000).subarray(0, 10)
  for (let added = 0; added < 300_000; added++) {
    bytes.add(piece)
    if (bytes.held > Math.min(2 * bytes.size + 4096, bytes.size + 1024 * 1024))
      expect([bytes.held, bytes.size]).toEqual([])
  }
  expect(bytes.size).toBe(3_000_000)
})

test('a chunk that comes alone is not copied, unless it keeps a larger buffer alive', () => {
  const [large, small] = [Buffer.alloc(10_000), Buffer.alloc(10_000).subarray(0, 10)]
  const bytes = makeByteBlocks()
  bytes.add(large)
  expect(bytes.take().buffer).toBe(large.buffer)
  bytes.add(small)
  expect(bytes.held).toBe(10)
  expect(bytes.take().buffer.byteLength).toBe(10)
})

test('a chunk that was copied is freed by its owner', () => {
  const [first, second] = [Buffer.alloc(20_000, 1), Buffer.alloc(20_000, 2)]
  const bytes = makeByteBlocks({ ownsChunks: true })
  bytes.add(first)
  bytes.reserve(40_000)
  bytes.add(second)
  expect([first.length, second.length]).toEqual([0, 0])
  expect(bytes.held).toBe(40_000)
  expect(bytes.take()).toEqual(Buffer.concat([Buffer.alloc(20_000, 1), Buffer.alloc(20_000, 2)]))
})

test('a stream is read whole, to its limit, or from its start', async () => {
  expect((await readWhole(chunksOf('ab', '', 'c'))).toString()).toBe('abc')
  expect((await readWhole(chunksOf('ab', 'c'), 3)).toString()).toBe('abc')
  await expect(readWhole(chunksOf('ab', 'cd'), 3, () => new Error('too much'))).rejects.toThrow('too much')
  expect((await readStart(chunksOf('ab', 'cd', 'ef'), 3)).toString()).toBe('abcd')
})

test('lines are cut wherever the chunks are', async () => {
  expect(await lineTexts('a\nb', 'c', '\n\nd\n', 'e')).toEqual(['a', 'bc', '', 'd', 'e'])
  expect(await lineTexts('a\n')).toEqual(['a'])
  expect(await lineTexts('')).toEqual([])
})

test('a line that is too long ends the reading', async () => {
  const lines = readLines(chunksOf('abc\nab', 'cd\n'), 3, () => new Error('too long'))
  expect((await lines.next()).value?.toString()).toBe('abc')
  await expect(lines.next()).rejects.toThrow('too long')
})
