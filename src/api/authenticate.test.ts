import { expect, test } from 'vitest'
import { AppError } from '../lib/errors.ts'
import { hashToken } from '../lib/secrets/crypto.ts'
import type { KnownKey } from '../store/collections/keys.ts'
import { type AuthenticateDeps, addressOf, makeAttempts, makeAuthenticate } from './authenticate.ts'

const token = `mlc_${'a1'.repeat(16)}`
const known: KnownKey = {
  id: 1,
  name: 'ci',
  key_prefix: 'mlc_a1a1',
  access_level: 'READ',
  is_active: true,
  expires_at: null,
  last_used_at: null,
  home_collection_id: 4,
  payer: 7,
  collection_ids: [4],
}
/** Authenticates by the value of an Authorization header. */
const byHeader = (deps: Pick<AuthenticateDeps, 'adminToken' | 'findKey' | 'touchKey'>) => {
  const none = { findSession: async () => undefined, touchSession: () => {}, takeCode: async () => undefined }
  const authenticate = makeAuthenticate({ ...deps, ...none })
  return (header: string) => authenticate({ kind: 'token', header })
}
const make = (key: Partial<KnownKey> | undefined, touched: number[] = []) =>
  byHeader({
    adminToken: 'the-admin-token-of-this-server',
    findKey: async (hash) => (key && hash === hashToken(token) ? { ...known, ...key } : undefined),
    touchKey: ({ id }) => void touched.push(id),
  })

test('a key becomes an identity and is touched; the admin token covers all', async () => {
  const touched: number[] = []
  expect(await make({}, touched)(`Bearer ${token}`)).toEqual({
    kind: 'key',
    keyId: 1,
    name: 'ci',
    prefix: 'mlc_a1a1',
    access: 'READ',
    payer: 7,
    collectionIds: [4],
    homeId: 4,
    expiresAt: null,
  })
  expect(touched).toEqual([1])
  expect(await make({})('bearer  the-admin-token-of-this-server')).toMatchObject({ kind: 'admin', access: 'ADMIN' })
})

test.each<[string, string, Partial<KnownKey> | undefined]>([
  ['Not authenticated', '', {}],
  ['Not authenticated', 'Bearer', {}],
  ['Not authenticated', 'Basic eDp5', {}],
  ['Invalid API key format', 'Bearer mlc_', {}],
  ['Invalid API key format', `Bearer ${token}b`, {}],
  ['Invalid API key format', `Bearer ${token.toUpperCase().replace('MLC_', 'mlc_')}`, {}],
  ['Invalid or inactive API key', `Bearer ${token}`, undefined],
  ['Invalid or inactive API key', `Bearer ${token}`, { is_active: false }],
  ['Invalid or inactive API key', `Bearer ${token}`, { expires_at: new Date(Date.now() - 1) }],
  ['Invalid API key or JWT token', 'Bearer the-admin-token-of-this-serve', {}],
])('%s: %s', async (text, header, key) => {
  await expect(make(key)(header)).rejects.toMatchObject({ message: text, status: 401 })
})

test('a database that is away is a 503 that says so', async () => {
  const authenticate = byHeader({
    adminToken: 'x'.repeat(20),
    findKey: async () => {
      throw new AppError('database_unavailable', 'away')
    },
    touchKey: () => {},
  })
  await expect(authenticate(`Bearer ${token}`)).rejects.toMatchObject({
    message: 'Authentication service temporarily unavailable',
    status: 503,
    retryAfterSeconds: 1,
  })
})

test('an address may fail as often as the limit in a minute from the first failure', () => {
  let now = 1_000_000
  const attempts = makeAttempts(3, () => now)
  const fail = (address: string) => attempts.failed(address)
  expect([1, 2, 3].map(() => fail('10.0.0.1'))).toEqual([0, 0, 0])
  now += 20_500
  expect(fail('10.0.0.1')).toBe(40)
  expect(fail('10.0.0.2')).toBe(0)
  now += 39_499
  expect(fail('10.0.0.1')).toBe(1)
  now += 1
  expect(fail('10.0.0.1')).toBe(0)
})

test('without a limit nothing is counted', () => {
  const attempts = makeAttempts(0)
  for (let i = 0; i < 1000; i++) expect(attempts.failed('10.0.0.1')).toBe(0)
  expect(attempts.size).toBe(0)
})

test('at most 10,000 addresses are kept, the oldest go first', () => {
  const attempts = makeAttempts(1)
  for (let i = 0; i < 10_000; i++) attempts.failed(`a${i}`)
  expect(attempts.failed('a0')).toBeGreaterThan(0)
  for (let i = 10_000; i < 25_000; i++) attempts.failed(`a${i}`)
  expect(attempts.size).toBe(10_000)
  expect(attempts.failed('a0')).toBe(0)
  expect(attempts.failed('a24999')).toBeGreaterThan(0)
})

test.each([
  ['10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::6', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['::1', '0:0:0:0'],
])('%s counts as %s', (remote, address) => {
  expect(addressOf(remote)).toBe(address)
})
