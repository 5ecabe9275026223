import fc from 'fast-check'
import { expect, it } from 'vitest'
import { BaggageError, parseBaggage } from './baggage.ts'

it.each<[string, [string, string][]]>([
  ['', []],
  [' , ,', []],
  ['user=u-17', [['user', 'u-17']]],
  [
    ' user = u-17 ;ttl=3;x , team=R%26D,note=a%2Cb=c',
    [
      ['user', 'u-17'],
      ['team', 'R&D'],
      ['note', 'a,b=c'],
    ],
  ],
  ['a=1,a=2', [['a', '2']]],
  ['a=', [['a', '']]],
  ['s%C3%A4tze=%F0%9F%98%80', [['sätze', '😀']]],
])('reads %j', (text, expected) => {
  expect([...parseBaggage(text)]).toEqual(expected)
})

it.each([
  ['team', `'team' has no "="`],
  ['a=1, =2', `'=2' has no key before "="`],
  ['a=%zz', `'a=%zz' is not percent-encoded UTF-8`],
  ['a=%C3', `'a=%C3' is not percent-encoded UTF-8`],
  ['a=é', `'a=é' is not percent-encoded UTF-8`],
])('refuses %j', (text, message) => {
  expect(() => parseBaggage(text)).toThrow(new BaggageError(message))
})

it('reads what was encoded, whatever it was', () => {
  const word = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/\p{Surrogate}/u.test(text))
  fc.assert(
    fc.property(fc.dictionary(word, word, { noNullPrototype: true }), (labels) => {
      const members = Object.entries(labels).map((pair) => pair.map(encodeURIComponent).join('='))
      expect(parseBaggage(members.join(','))).toEqual(new Map(Object.entries(labels)))
    }),
  )
})
