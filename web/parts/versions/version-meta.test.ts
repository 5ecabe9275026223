import { expect, test } from 'vitest'
import { versionMeta, versionName } from './version-meta.ts'

test('who and when', () => {
  const now = Date.parse('2026-11-28T12:00:00Z')
  expect(versionMeta({ author: 'api-key:mara', created_at: '2026-11-28T11:00:00Z' }, now)).toBe('mara · 1 h ago')
  expect(versionMeta({ author: null, created_at: null }, now)).toBe('the server · –')
})

test.each([
  [{ ref: 'production', index: 3 }, 'v3 (production)'],
  [{ ref: '~-1', index: 3 }, 'v3'],
  [{ ref: '3', index: 3 }, 'v3'],
])('%j is %s', (version, name) => expect(versionName(version)).toBe(name))
