import fc from 'fast-check'
import { expect, test } from 'vitest'
import { doAtOnce } from '../../lib/slices.ts'
import { mayHoldBytes, readJsonBytes, withoutBytes } from './inline-files.ts'

const read = (text: string) => doAtOnce(readJsonBytes(Buffer.from(text)))

test('bytes of a JSON text show the same signs of base64 as its characters', () => {
  const word = fc.constantFrom('audio', 'input_audio', 'b64_json', 'base64', 'inlineData', 'x', 'data:a;base64,', 'é')
  const value = fc.letrec((tie) => ({
    any: fc.oneof({ maxDepth: 3 }, word, fc.integer(), fc.array(tie('any')), fc.dictionary(word, tie('any'))),
  })).any
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 1), (one, indent) => {
      const text = JSON.stringify(one, undefined, indent)
      expect(read(text)).toEqual({ isJson: true, mayHoldBytes: mayHoldBytes(text) })
    }),
  )
})

test.each([
  ['{"a":"input_audio"}', true],
  ['{"redacted_thinking":1}', true],
  ['{"a":"audio "}', false],
  [JSON.stringify({ a: JSON.stringify({ audio: 1 }) }), false],
  [JSON.stringify({ a: `${'x'.repeat(300)};base64,` }), true],
])('%s', (text, expected) => {
  expect(read(text).mayHoldBytes).toBe(expected)
  expect(mayHoldBytes(text)).toBe(expected)
})

test('what is no JSON is told', () => {
  expect(read('{"a":"b}').isJson).toBe(false)
})

test.each([
  ['texts', Array(20_000).fill('data:a/b;base64,YQ==')],
  ['data URIs of one text', 'data:a/b;base64,YQ== '.repeat(20_000)],
])('many %s give others their turn', async (_, value) => {
  let keptInTurn = 0
  let most = 0
  const turn = (): void => {
    keptInTurn = 0
    timer = setImmediate(turn)
  }
  let timer = setImmediate(turn)
  await withoutBytes(value, async () => {
    most = Math.max(most, ++keptInTurn)
    return undefined
  })
  clearImmediate(timer)
  expect(most).toBeLessThanOrEqual(2_000) // of two slices: one may come before the count, one after it
})
