import { expect, test } from 'vitest'
import { changedMembers, versionMeta } from './version-facts.ts'

test.each([
  ['{}', '{"name":"a"}', []],
  ['{"name":"a","workflow":{}}', '{"name":"a","workflow":{"steps":[]}}', []],
  ['{"name":"a","is_private":true}', '{"name":"b","is_private":false}', ['the name', 'who may read it']],
])('from %s to %s', (before, after, changed) => {
  expect(changedMembers(before, after)).toEqual(changed)
})

test('who and when', () => {
  const now = Date.parse('2026-11-28T12:00:00Z')
  expect(versionMeta({ author: 'api-key:mara', created_at: '2026-11-28T11:00:00Z' }, now)).toBe(
    'api-key:mara · 1 h ago',
  )
  expect(versionMeta({ author: null, created_at: null }, now)).toBe('the server · –')
})
