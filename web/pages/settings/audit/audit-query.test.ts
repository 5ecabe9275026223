import { expect, test } from 'vitest'
import { auditQuery, noAuditFilters } from './audit-query.ts'

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
