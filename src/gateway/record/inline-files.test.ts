import fc from 'fast-check'
import { expect, test } from 'vitest'
import { doAtOnce } from '../../lib/slices.ts'
import { jsonTextPieces, mayHoldBytes, readJsonBytes, withoutBytes } from './inline-files.ts'

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

const parses = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The text at each position of a word, since strings are looked at in words. */
const shifted = (text: string): Buffer[] =>
  [0, 1, 2, 3].map((by) => Buffer.concat([Buffer.alloc(by), Buffer.from(text), Buffer.alloc(5)]).subarray(by, -5))

const agrees = (text: string): void => {
  const expected = parses(text)
  for (const bytes of shifted(text)) expect(doAtOnce(jsonTextPieces(bytes)), JSON.stringify(text)).toBe(expected)
}

const long = 'x'.repeat(50)

test.each([
  ...['', ' ', '{}', '[]', '[[],{}]', ' { "a" : [ 1 , 2 ] , "b" : null } ', '[1,]', '{"a":1,}', '{,}', '[,]', '{"a"}'],
  ...['{"a":}', '{a:1}', '1 2', '[1 2]', '[}', '{]', '[', '{', '{"a":1', '[1', '"', `"${long}`, '{"a" 1}', '{"a":1]'],
  ...['0', '-0', '-', '01', '1.', '.5', '1.5', '1e5', '1E+5', '1e-', '1e', '-1.25e-7', '+1', 'NaN', '1a', '--1'],
  ...['true', 'false', 'null', 'tru', 'nulll', 'True', 'truefalse', '\ufeff{}', '{}\0', '\u00a0{}', '[\f1]'],
  ...['"\\u00e4"', '"\\u00g4"', '"\\u00e"', '"\\ud800"', '"\\x"', '"\\', '"\\"', '"a\nb"', '"a\tb"', '"\u007f ü 😀"'],
  ...[
    `"${long}\u001f${long}"`,
    `"${long}\\${long}"`,
    `"${long}\\n${long}\\"${long}"`,
    `{"${long}\\"":\n"${long}\\"${long}"}`,
    `[\n"${long}\n"]`,
    `{"${long}":"${long}"}`,
  ],
])('says of %j what JSON.parse says', agrees)

test('agrees with JSON.parse about every value, and about every text with one character changed', () => {
  const text = fc.oneof(
    fc.json(),
    fc.jsonValue().map((value) => JSON.stringify(value, undefined, 1)),
  )
  const character = fc.oneof(fc.constantFrom(...'{}[]",:\\/eE+-.019 \n\t\u0000\u001f'), fc.string({ maxLength: 1 }))
  fc.assert(
    fc.property(text, character, fc.nat(), fc.nat({ max: 1 }), (whole, other, place, cut) => {
      agrees(whole)
      const at = whole.length === 0 ? 0 : place % whole.length
      const changed = whole.slice(0, at) + other + whole.slice(at + cut)
      agrees(changed)
    }),
    { numRuns: 500 },
  )
})

test('strings of any length end where they end', () => {
  for (let length = 0; length < 80; length++) {
    for (const end of ['"', '\\n"', '\n"', '', '\u001f"', '\\"'])
      agrees(`"${'é'.repeat(length % 3)}${'y'.repeat(length)}${end}`)
  }
})
