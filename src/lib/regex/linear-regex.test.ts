import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { doAtOnce } from '../slices.ts'
import { type LinearRegex, linearRegex } from './linear-regex.ts'

const most = 10_000_000
const compiled = (source: string) => {
  const made = linearRegex(source)
  if (!('test' in made)) throw new Error(JSON.stringify(made))
  return made
}
const tested = (regex: LinearRegex, text: string, steps = most) => doAtOnce(regex.test(text, steps))
const found = (source: string, text: string) => tested(compiled(source), text).found

describe('a pattern', () => {
  it.each([
    ['^[A-Z]{2}-\\d{4}$', 'AB-1234', 'AB-12345', 'ab-1234', 'xAB-1234'],
    ['colou?r', 'color', 'colr'],
    ['^(?:a|bc|)+$', 'abcbc', 'ac'],
    ['^(?<year>\\d{4})-(\\d\\d)$', '2026-11', '2026-1'],
    ['\\bcat\\b', 'a cat.', 'cats'],
    ['\\Bat', 'cat', 'at'],
    ['^.$', '😀', '\n', 'ab'],
    ['^\\p{Lu}\\P{Lu}$', 'Ää', 'ää'],
    ['^[^\\]\\s]+$', 'a[b', 'a]', 'a b'],
    ['^[\\w-.]+$', 'a-b.c', 'a b'], // valid without the flag u only
    ['^\\u{1F600}\\x41\\u0042$', '😀AB', 'AB'],
    ['^a{2,}$', 'aaa', 'a'],
    ['^a{0}b{1,2}?$', 'bb', 'ab', 'bbb'],
    ['^x{,2}$', 'x{,2}', 'xx'],
    ['^(a*)*$', 'aaa', 'ab'],
    ['^\\/\\.\\*$', '/.*', '/x*'],
    ['a|^b$', 'xa', 'bb'],
  ])('%s', (source, fitting, ...others) => {
    expect(found(source, fitting)).toBe(true)
    for (const text of others) expect([text, found(source, text)]).toEqual([text, false])
  })

  it.each([
    ['(', 'invalid'],
    ['a{2,1}', 'invalid'],
    ['(?=a)', 'unsupported'],
    ['(?<!a)b', 'unsupported'],
    ['(a)\\1', 'unsupported'],
    ['(?<a>x)\\k<a>', 'unsupported'],
    ['a{3000}', 'unsupported'],
    ['((a{100}){100}){100}', 'unsupported'],
    ['(((){1000}){1000}){1000}', 'unsupported'],
    ['(){999999999}', 'unsupported'],
    [`${'('.repeat(60)}a${')'.repeat(60)}`, 'unsupported'],
    ['a'.repeat(2_001), 'unsupported'],
  ])('%s is refused: %s', (source, why) => {
    expect(linearRegex(source)).toHaveProperty(why)
  })

  it('that goes back and forth elsewhere takes linear time', () => {
    for (const source of ['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '(a*)*b', '^(.*a){12}$', '^(([a-z])+.)+[A-Z]([a-z])+$']) {
      const { found: is, steps } = tested(compiled(source), `${'a'.repeat(20_000)}!`)
      expect([source, is]).toEqual([source, false])
      expect(steps).toBeLessThan(20_001 * 60)
    }
    expect(tested(compiled('(a+)+$'), `${'a'.repeat(1_000_000)}!`, 1_000).found).toBeUndefined()
  })

  it('fits what the regular expression of JavaScript fits', () => {
    const { source } = fc.letrec<{ source: string; piece: string }>((tie) => ({
      piece: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(
          'a',
          'b',
          '.',
          '[ab]',
          '[^a]',
          '\\w',
          '\\s',
          '\\b',
          '\\B',
          '^',
          '$',
          '-',
          'é',
          '\\-',
          '[\\d-a]',
        ),
        tie('source').map((inner) => `(${inner})`),
        tie('source').map((inner) => `(?:${inner})`),
        fc
          .tuple(tie('source'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '{0,1}?', '{1,}', '*?'))
          .map(([inner, sign]) => `(?:${inner})${sign}`),
        fc.tuple(tie('source'), tie('source')).map(([left, right]) => `(?:${left}|${right})`),
      ),
      source: fc.array(tie('piece'), { maxLength: 3 }).map((pieces) => pieces.join('')),
    }))
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '-', ' ', 'é', '\n', '😀', '1'), maxLength: 6 })
    fc.assert(
      fc.property(source, fc.array(text, { minLength: 1, maxLength: 5 }), (pattern, texts) => {
        let real: RegExp
        try {
          real = new RegExp(pattern, 'u')
        } catch {
          real = new RegExp(pattern)
        }
        const ours = linearRegex(pattern)
        if (!('test' in ours)) return
        for (const one of texts) expect([one, tested(ours, one).found]).toEqual([one, real.test(one)])
      }),
      { numRuns: 2_000 },
    )
  })
})
