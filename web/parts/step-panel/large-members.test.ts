import { expect, it } from 'vitest'
import { largeMembers } from './large-members.ts'

it.each([
  [[], []],
  [['/outputs/text', '/inputs/x'], ['text']],
  [['/outputs/a~1b~0c'], ['a/b~c']],
  [['/outputs'], 'whole'],
  [['/outputs_of/x'], []],
])('the references %j are %j', (pointers, members) => {
  expect(largeMembers(pointers, 'outputs')).toEqual(members)
})
