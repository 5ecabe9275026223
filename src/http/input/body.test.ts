import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { readBytes } from './body.ts'

const pieceBytes = 64 * 1024

/** Pieces as Node's parser makes them: each has its own memory. */
const pieces = (count: number, last = pieceBytes): Buffer[] =>
  Array.from({ length: count }, (_, at) => Buffer.alloc(at === count - 1 ? last : pieceBytes, at + 1))

it.each([
  ['whose length is known', (size: number) => size],
  ['whose length is not known', () => undefined],
  ['in a header that is no number', () => Number.NaN],
])('joins a large body %s', async (_, lengthOf) => {
  const sent = pieces(5, 1000)
  const expected = Buffer.concat(sent)
  const body = await readBytes(Readable.from(sent), 2 ** 20, undefined, lengthOf(expected.length))
  expect(body.equals(expected)).toBe(true)
})

it('frees the pieces of a body whose length is known, and no part of a larger buffer', async () => {
  const [first = Buffer.alloc(0), second = Buffer.alloc(0), third = Buffer.alloc(0)] = pieces(3)
  const part = second.subarray(0, 40_000)
  const size = first.length + part.length + third.length
  const expected = Buffer.concat([first, part, third])
  const body = await readBytes(Readable.from([first, part, third]), 2 ** 20, undefined, size)
  expect(body.equals(expected)).toBe(true)
  expect([first.length, part.length, third.length]).toEqual([0, 40_000, 0])
})

it('waits for memory before it takes a body', async () => {
  const sent = pieces(4)
  const expected = Buffer.concat(sent)
  let grant = () => {}
  const granted = new Promise<void>((resolve) => {
    grant = resolve
  })
  const reading = readBytes(Readable.from(sent), 2 ** 20, () => granted, expected.length)
  setTimeout(grant, 20)
  expect((await reading).equals(expected)).toBe(true)
})

it('refuses a body that is longer than it was said to be', async () => {
  await expect(readBytes(Readable.from(pieces(3)), 2 ** 20, undefined, 2 * pieceBytes)).rejects.toThrow('complete')
})
