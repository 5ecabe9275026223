import { expect, test } from 'vitest'
import { readSection } from './sections.ts'

const sections = [
  ['keys', 'Keys'],
  ['audit', 'Audit'],
] as const

test.each([
  ['audit', 'audit'],
  [undefined, 'keys'],
  ['', 'keys'],
  ['__proto__', 'keys'],
])('%s leads to %s', (given, name) => {
  expect(readSection(sections, given)).toBe(name)
})
