import { expect, test } from 'vitest'
import { setMember } from './set-member.ts'

test.each([
  ['{"a":1,"b":2}', ['a'], '"x"', '{"a":"x","b":2}'],
  [
    '{"a":12345678901234567890,"b":{"c":[1,{"b":2}],"d":""}}',
    ['b', 'd'],
    '3',
    '{"a":12345678901234567890,"b":{"c":[1,{"b":2}],"d":3}}',
  ],
  ['{}', ['a', 'b'], '1', '{"a":{"b":1}}'],
  ['{"z":1}', ['a', 'b'], '1', '{"z":1,"a":{"b":1}}'],
  ['{"a":null}', ['a', 'b'], '1', '{"a":{"b":1}}'],
  ['{"a":1,"a":2}', ['a'], '3', '{"a":1,"a":3}'],
  ['{"t":"a \\"quoted\\" {brace}","u":1}', ['u'], '2', '{"t":"a \\"quoted\\" {brace}","u":2}'],
] as const)('%s at %j', (text, path, value, changed) => {
  expect(setMember(text, path, value)).toBe(changed)
})
