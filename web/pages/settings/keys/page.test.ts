import { expect, test } from 'vitest'
import { expiryOf, keyState } from './page.tsx'

const now = Date.parse('2026-11-28T12:00:00Z')

test.each([
  [{ is_active: true, expires_at: null }, 'valid'],
  [{ is_active: true, expires_at: '2026-11-28T12:00:01Z' }, 'valid'],
  [{ is_active: true, expires_at: '2026-11-28T12:00:00Z' }, 'expired'],
  [{ is_active: false, expires_at: '2020-01-01T00:00:00Z' }, 'off'],
] as const)('%o is %s', (key, state) => {
  expect(keyState(key, now)).toBe(state)
})

test('a choice becomes a moment', () => {
  expect(expiryOf('7', '', now)).toBe('2026-12-05T12:00:00.000Z')
  expect(expiryOf('day', '2026-12-24', now)).toBe(new Date('2026-12-24T23:59:59').toISOString())
})

test.each(['', '2026-13-40', '2026-11-01'])('the day %o is refused', (day) => {
  expect(expiryOf('day', day, now)).toBeUndefined()
})
