import { expect, test } from 'vitest'
import { versionMeta } from './version-meta.ts'

test('who and when', () => {
  const now = Date.parse('2026-11-28T12:00:00Z')
  expect(versionMeta({ author: 'api-key:mara', created_at: '2026-11-28T11:00:00Z' }, now)).toBe('mara · 1 h ago')
  expect(versionMeta({ author: null, created_at: null }, now)).toBe('the server · –')
})
