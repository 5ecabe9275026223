import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dataOf, type Frame, makeFrameCutter } from './sse.ts'

const cut = (text: string | Buffer, sizes: number[] = [], most = 1_000_000) => {
  const bytes = Buffer.from(text)
  const cutter = makeFrameCutter(most)
  const frames: Frame[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % Math.max(1, sizes.length)] ?? bytes.length
    frames.push(...cutter.push(bytes.subarray(at, at + size)))
    at += size
  }
  return { frames, rest: cutter.rest().toString(), isCut: frames.some(({ isPiece }) => isPiece) }
}

test('events end with an empty line, whichever way lines end', () => {
  const { frames, rest } = cut(
    'data: a\n\n: hello\n\nevent: x\r\ndata: b\r\ndata:c\r\n\r\ndata: [DONE]\n\ndata: not yet',
  )
  expect(frames.map(({ data }) => data)).toEqual(['a', undefined, 'b\nc', '[DONE]'])
  expect(rest).toBe('data: not yet')
})

test('however the bytes arrive, the same events come out, and every byte of them', () => {
  const text = 'data: {"a":"ü€🙂"}\n\n: ping\r\n\r\nevent: x\ndata: {"b":"ø"}\r\n\r\ndata: [DONE]\n\n\n\ndata: tail 🙂'
  const whole = cut(text)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (sizes) => {
      const { frames, rest } = cut(text, sizes)
      expect(Buffer.concat(frames.map(({ bytes }) => bytes)).toString() + rest).toBe(text)
      const dataIn = (all: typeof frames) => all.map(({ data }) => data).filter((data) => data !== undefined)
      expect(dataIn(frames)).toEqual(dataIn(whole.frames))
    }),
  )
})

test('an event that is too large is handed on as it comes, and those behind it are read again', () => {
  const { frames, isCut } = cut(`data: ${'x'.repeat(100)}\n\ndata: after\n\n`, [7], 20)
  expect(isCut).toBe(true)
  expect(frames.map(({ data }) => data).filter((data) => data !== undefined)).toEqual(['after'])
  expect(Buffer.concat(frames.map(({ bytes }) => bytes)).toString()).toBe(`data: ${'x'.repeat(100)}\n\ndata: after\n\n`)
})

test('the data of an event are its data lines', () => {
  expect(dataOf('event: a\nid: 1\n\n')).toBeUndefined()
  expect(dataOf('data:x\n\n')).toBe('x')
  expect(dataOf('data: x\ndata: y\n\n')).toBe('x\ny')
})
