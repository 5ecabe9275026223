import { expect, test } from 'vitest'
import { actorText, changeTexts, operationWords } from './audit-words.ts'

test.each([
  ['createKey', 'Created key'],
  ['updateTaskVersion', 'Changed task version'],
  ['signIn', 'Signed in'],
  ['setEnvironment', 'Changed variables'],
  ['ingest', 'ingest'],
  ['constructor', 'constructor'],
])('%s is %s', (operation, words) => {
  expect(operationWords(operation)).toBe(words)
})

test('an actor is a key or the admin', () => {
  expect(actorText({ kind: 'admin', key_id: null, name: null, key_prefix: null })).toBe('admin')
  expect(actorText({ kind: 'key', key_id: 3, name: 'ci', key_prefix: 'mlc_abcd' })).toBe('ci (mlc_abcd…)')
})

test('changes are named; empty lists are left out', () => {
  expect(changeTexts({ set: ['A', 'B'], removed: [], budget: { usd: 1 }, is_active: false, x: null })).toEqual([
    'set: A, B',
    'budget: {"usd":1}',
    'is_active: false',
    'x: null',
  ])
})
