import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type EditMember, editMembers, membersOf, mostMembers } from './json-members.ts'

const edited = (text: string, edit: EditMember): string | undefined => {
  const bytes = Buffer.from(text)
  const found = membersOf(bytes, 512)
  return found && editMembers(bytes, found.members, edit).toString()
}

const cut =
  (...names: string[]): EditMember =>
  ({ name }) =>
    names.includes(name) ? 'cut' : undefined

test('members are cut with their comma, wherever they stand', () => {
  expect(edited('{"a":1,"b":2,"c":3}', cut('a'))).toBe('{"b":2,"c":3}')
  expect(edited('{"a":1,"b":2,"c":3}', cut('b'))).toBe('{"a":1,"c":3}')
  expect(edited('{"a":1,"b":2,"c":3}', cut('c'))).toBe('{"a":1,"b":2}')
  expect(edited('{"a":1,"b":2,"c":3}', cut('b', 'c'))).toBe('{"a":1}')
  expect(edited('{"b":1,"b":2}', cut('b'))).toBe('{}')
  expect(edited(' { "a" : [1, "x"] , "b" : {"c":"}"}\n} ', cut('b'))).toBe(' { "a" : [1, "x"]\n} ')
})

test('a value is replaced in place, and its neighbours keep their bytes', () => {
  const put: EditMember = ({ name }) => (name === 'model' ? Buffer.from('"other"') : undefined)
  expect(edited('{"n":1.0e5 ,"mod\\u0065l" : "a\\"b" ,"x":"ü"}', put)).toBe(
    '{"n":1.0e5 ,"mod\\u0065l" : "other" ,"x":"ü"}',
  )
  expect(edited('{"n":1}', put)).toBe('{"n":1}')
})

test('what is no whole object has no members', () => {
  for (const text of [
    '',
    '[]',
    '"a"',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":"x}',
    '{"a":[}',
    '{"a":1,}',
    '{a:1}',
    '{"a" 1}',
    '{"a":}',
  ]) {
    expect(membersOf(Buffer.from(text), 512)?.end === text.length, text).toBe(false)
  }
  expect(membersOf(Buffer.from(`{"a":${'['.repeat(600)}${']'.repeat(600)}}`), 512)).toBeUndefined()
})

test('an object of more members than anybody sends has none: a large body of them would hold everybody up', () => {
  const of = (count: number) => membersOf(Buffer.from(`{${Array(count).fill('"":1').join()}}`), 512)
  expect(of(mostMembers)?.members).toHaveLength(mostMembers)
  expect(of(mostMembers + 1)).toBeUndefined()
})

test('for any object: what stays parses as before, and the cut members are gone', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.integer({ min: 0, max: 2 }), (object, space) => {
      const names = Object.keys(object).filter((_, index) => index % 2 === 0)
      const left = Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)))
      const text = edited(JSON.stringify(object, null, space), cut(...names)) ?? 'nothing'
      expect(JSON.stringify(JSON.parse(text))).toBe(JSON.stringify(left))
    }),
  )
})
