import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shortJson } from './shorten.ts'

const short = (value: unknown, most: number) => {
  const { text, isCut } = shortJson(value, most)
  return { value: JSON.parse(text), isCut }
}

describe('shortJson', () => {
  it.each([
    ['what fits', { a: [1, 'two'] }, { a: [1, 'two'] }, false],
    ['nothing', undefined, null, false],
    ['a long text', { a: 'x'.repeat(5_000) }, { a: `${'x'.repeat(300)}… [5,000 characters in all]` }, true],
    ['half of a pair', '🚀'.repeat(5_000), `${'🚀'.repeat(150)}… [10,000 characters in all]`, true],
  ])('%s', (_, value, expected, isCut) => {
    expect(short(value, 1_000)).toEqual({ value: expected, isCut })
  })

  it('cuts lists and objects, and says how long they were', () => {
    const list = Array.from({ length: 500 }, (_, at) => at)
    expect(short(list, 200).value.at(-1)).toBe('… [500 items in all]')
    const object = Object.fromEntries(list.map((at) => [`member-${at}`, at]))
    expect(short(object, 1_000).value['…']).toMatch(/^4\d\d more members$/)
    const outermost = Object.fromEntries(list.slice(0, 50).map((at) => [`m${at}`, [list, object]]))
    expect(Object.keys(short(outermost, 1_500).value)).toHaveLength(50)
  })

  it('is JSON of at most so many characters, whatever the value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.string({ unit: 'grapheme' }), (value, text) => {
        const large = { value, many: Array.from({ length: 300 }, () => [text.repeat(40), value]) }
        const { text: shown } = shortJson(large, 600)
        expect(shown.length).toBeLessThanOrEqual(600)
        JSON.parse(shown)
      }),
    )
  })
})
