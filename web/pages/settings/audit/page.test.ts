import { expect, test } from 'vitest'
import { actorText, auditQuery, changeTexts, noAuditFilters, operationWords } from './page.tsx'

test.each([
  [{}, {}],
  [{ operation: 'createKey' }, { operation: ['createKey'] }],
  [{ actor: ' admin ' }, { actor: 'admin' }],
  [{ actor: '12' }, { actor: '12' }],
  [{ actor: '012' }, {}],
  [{ actor: 'somebody' }, {}],
  [{ target: '  ' }, {}],
  [{ target: ' report ' }, { target: 'report' }],
  [{ since: '2026-11' }, {}],
  [{ since: '2026-11-28' }, { since: new Date('2026-11-28T00:00:00').toISOString() }],
])('%j asks for %j', (given, query) => {
  expect(auditQuery({ ...noAuditFilters, ...given })).toEqual(query)
})

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
