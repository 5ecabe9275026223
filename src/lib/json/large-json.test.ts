import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { doAtOnce } from '../slices.ts'
import { parsePieces, writePieces } from './large-json.ts'

/** Long enough that a list of a few of them is cut into pieces. */
const long = Array.from({ length: 4_000 }, (_, at) => ({ [`k${at % 7}`]: at }))
const parse = (text: string) => doAtOnce(parsePieces(text))
const outcome = (parser: (text: string) => unknown, text: string) => {
  try {
    return { value: parser(text) }
  } catch (error) {
    return { error: error instanceof SyntaxError }
  }
}

/** Values of which some are too large for one piece. */
const values = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.constant(long),
    fc.json().map((text) => JSON.parse(text)),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', '1', '"')), tie('any'), { maxKeys: 4 }),
  ),
})).any

it('reads what was written, as JSON.parse does', () => {
  fc.assert(
    fc.property(values, fc.constantFrom(undefined, 1, '\t'), (value, space) => {
      const text = JSON.stringify(value, null, space) ?? 'null'
      expect(parse(` ${text}\n`)).toEqual(JSON.parse(text))
    }),
    { numRuns: 25 },
  )
})

it('writes what JSON.stringify writes', () => {
  fc.assert(
    fc.property(values, (value) => {
      expect(doAtOnce(writePieces(value))).toBe(JSON.stringify(value) ?? 'null')
    }),
    { numRuns: 25 },
  )
  const odd = { a: undefined, b: [undefined, () => 1], c: new Date(0), long, d: { toJSON: () => 'x' } }
  expect(doAtOnce(writePieces([odd, odd]))).toBe(JSON.stringify([odd, odd]))
})

describe('what JSON.parse refuses', () => {
  const whole = JSON.stringify({ a: [long, long], b: { c: long, d: long } })
  it('is refused wherever the fault is', () => {
    const change = fc.record({
      at: fc.nat(whole.length),
      cut: fc.nat(3),
      put: fc.constantFrom('', ',', ']', '}', '"', ':', '1', 'x'),
    })
    fc.assert(
      fc.property(change, ({ at, cut, put }) => {
        const text = whole.slice(0, at) + put + whole.slice(at + cut)
        const ours = outcome(parse, text)
        const theirs = outcome(JSON.parse, text)
        expect('error' in ours).toBe('error' in theirs)
        if ('value' in theirs) expect(ours).toEqual(theirs)
        else expect(ours).toEqual({ error: true })
      }),
      { numRuns: 60 },
    )
  })
  it.each(['', '[', '{', '[1,]', '[,1]', '{"a":1,}', '[1}', '{"a"}', '1 2', '[1] 2', '{"a":}', '"', 'nul', '\ufeff1'])(
    '%s',
    (text) => {
      expect(outcome(parse, text)).toEqual({ error: true })
      for (const after of [`[${JSON.stringify(long)},${text}`, `{"x":${JSON.stringify(long)},"y":${text}`]) {
        expect(outcome(parse, after)).toEqual({ error: true })
      }
    },
  )
  it('says where in the whole text', () => {
    const text = `[${JSON.stringify(long)},${JSON.stringify(long)},{"a":1 "b"}]`
    expect(() => parse(text)).toThrow(`position ${text.length - 5}`)
  })
})
