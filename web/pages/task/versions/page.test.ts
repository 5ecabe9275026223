import { expect, test } from 'vitest'
import { changedMembers } from './page.tsx'

test.each([
  ['{}', '{"name":"a"}', []],
  ['{"name":"a","workflow":{}}', '{"name":"a","workflow":{"steps":[]}}', []],
  ['{"name":"a","is_private":true}', '{"name":"b","is_private":false}', ['the name', 'who may read it']],
])('from %s to %s', (before, after, changed) => {
  expect(changedMembers(before, after)).toEqual(changed)
})
