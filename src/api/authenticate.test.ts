import { expect, test } from 'vitest'
import { AppError } from '../lib/errors.ts'
import { hashToken } from '../lib/secrets/crypto.ts'
import type { KnownKey } from '../store/collections/keys.ts'
import { type AuthenticateDeps, makeAuthenticate } from './authenticate.ts'

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
