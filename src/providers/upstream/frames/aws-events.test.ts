import fc from 'fast-check'
import { expect, it } from 'vitest'
import { frame } from '../../../../test/fakes/bedrock.ts'
import { makeAwsEventCutter } from './aws-events.ts'

const stream = Buffer.concat([
  frame('contentBlockDelta', { text: 'Zürich 東京' }),
  frame('metadata', { usage: { inputTokens: 7 } }),
  frame('throttlingException', { message: 'slow down' }, 'exception'),
])
const whole = [
  { contentBlockDelta: { text: 'Zürich 東京' } },
  { metadata: { usage: { inputTokens: 7 } } },
  { type: 'error', error: { type: 'throttlingException', message: 'slow down' } },
]

const cut = (chunks: readonly Buffer[], mostBytes = 10_000): unknown[] => {
  const cutter = makeAwsEventCutter(mostBytes)
  return chunks.flatMap((chunk) => cutter.push(chunk)).map((data) => JSON.parse(data) as unknown)
}

it('reads the same messages wherever the stream is cut', () => {
  const places = fc.array(fc.nat(stream.length), { maxLength: 12 }).map((some) => some.sort((a, b) => a - b))
  fc.assert(
    fc.property(places, (cuts) => {
      const chunks = [0, ...cuts].map((from, at) => stream.subarray(from, cuts[at] ?? stream.length))
      expect(cut(chunks)).toEqual(whole)
    }),
  )
  expect(cut(Array.from(stream, (byte) => Buffer.from([byte])))).toEqual(whole)
})

it('reads nothing from a message on whose checksum is wrong', () => {
  const second = stream.length - frame('throttlingException', { message: 'slow down' }, 'exception').length - 8
  const damaged = Buffer.from(stream)
  damaged[second] = damaged[second]! ^ 1
  expect(cut([damaged, frame('metadata', {})])).toEqual(whole.slice(0, 1))
})

it('reads nothing from a message on that is larger than the limit, and keeps nothing of it', () => {
  const large = frame('contentBlockDelta', { text: 'x'.repeat(5_000) })
  expect(
    cut([frame('metadata', {}), large.subarray(0, 100), large.subarray(100), frame('metadata', {})], 1_000),
  ).toEqual([{ metadata: {} }])
})

it('takes what is no event stream for none', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (chunks) => {
      expect(cut(chunks.map((chunk) => Buffer.from(chunk)))).toEqual([])
    }),
  )
})
