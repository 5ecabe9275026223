import fc from 'fast-check'
import { expect, test } from 'vitest'
import { anyCharacter } from '../../../test/any-character.ts'
import { compact, isDeeperThan, memberText } from './json-text.ts'

const key = fc.oneof(
  fc.constantFrom('a', 'b', '__proto__', '10', '"', '\\', '\\"', ''),
  fc.string({ unit: anyCharacter }),
)
const document = fc.dictionary(key, fc.jsonValue(), { maxKeys: 6 })
const space = fc.constantFrom(undefined, 1, '\t', '  ')

test('a member is what JSON.parse finds under its name', () => {
  fc.assert(
    fc.property(document, space, key, (object, indent, name) => {
      const text = JSON.stringify(object, null, indent)
      const parsed = JSON.parse(text)
      const found = memberText(text, name)
      expect(found === undefined).toBe(!Object.hasOwn(parsed, name))
      if (found !== undefined) expect(found).toBe(JSON.stringify(parsed[name]))
    }),
  )
})

test('of repeated members the last counts, and escapes in names are read', () => {
  expect(memberText('{"a":1,"b":{"a":0},"\\u0061" : [ 1 , 2 ] }', 'a')).toBe('[1,2]')
  expect(memberText('{"a":12345678901234567890,"x":"}"}', 'a')).toBe('12345678901234567890')
  expect(memberText('{"x":"\\\\","a":"b\\"c"}', 'a')).toBe('"b\\"c"')
  expect(memberText('[]', 'a')).toBeUndefined()
  expect(memberText('', 'a')).toBeUndefined()
})

test('compact text is what JSON.stringify writes', () => {
  fc.assert(
    fc.property(fc.jsonValue(), space, (value, indent) => {
      const plain = JSON.stringify(value)
      expect(compact(JSON.stringify(JSON.parse(plain), null, indent))).toBe(JSON.stringify(JSON.parse(plain)))
    }),
  )
})

test('depth is counted outside of strings, without recursion', () => {
  const depthOf = (value: unknown): number =>
    typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(6), (value, limit) => {
      expect(isDeeperThan(JSON.stringify(value), limit)).toBe(depthOf(value) > limit)
    }),
  )
  expect(isDeeperThan('['.repeat(1_000_000), 512)).toBe(true)
  expect(isDeeperThan(`"${'['.repeat(1000)}"`, 512)).toBe(false)
})
