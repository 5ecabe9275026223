import { beforeEach, describe, expect, it, vi } from 'vitest'
import { AppError } from '../lib/errors.ts'
import type { Identity } from '../model/collections/identity.ts'
import { makeAdmissionCache } from './admission-cache.ts'
import type { AccessChecks, Credentials } from './authorise.ts'
import { endpoint } from './endpoint.ts'

const call = {
  endpoint: endpoint({ method: 'POST', path: '/v1/x', summary: '', tag: '', response: 'bytes', access: 'write' }),
  name: undefined,
  credentials: { kind: 'token', header: 'Bearer some-token' } as Credentials,
  address: undefined,
}
const identity: Identity = {
  kind: 'key',
  keyId: 1,
  name: 'k',
  prefix: 'mlc_...xxxx',
  access: 'WRITE',
  payer: 1,
  collectionIds: [7],
  homeId: 7,
  expiresAt: null,
}
const place = { id: 7, name: 'acme', payer: 1, settings: {}, environment_id: null }

const authenticate = vi.fn(async (): Promise<Identity> => identity)
const admissions = (more: Partial<AccessChecks> = {}) =>
  makeAdmissionCache({
    ...more,
    authenticate,
    findPlace: async () => place,
    findCollection: async () => undefined,
    findTask: async () => undefined,
  })

beforeEach(() => {
  authenticate.mockReset()
  authenticate.mockResolvedValue(identity)
})

describe('an admission', () => {
  it('is taken as checked for a moment', async () => {
    const { admit } = admissions()
    await admit(call)
    authenticate.mockClear()
    for (let at = 0; at < 10; at++) expect((await admit(call)).collection.id).toBe(7)
    expect(authenticate).not.toHaveBeenCalled()
  })

  it('is of one token alone', async () => {
    const { admit } = admissions()
    await admit(call)
    authenticate.mockRejectedValue(new Error('unknown'))
    await expect(admit({ ...call, credentials: { kind: 'token', header: 'Bearer another' } })).rejects.toThrow(
      'unknown',
    )
  })

  it('is checked anew after a doubt, also where the check was under way', async () => {
    const { admit, doubt } = admissions()
    const checked = admit(call)
    doubt()
    await checked
    authenticate.mockRejectedValue(new Error('revoked'))
    await expect(admit(call)).rejects.toThrow('revoked')
  })

  it('says for a moment whose credentials they are, and nothing after a doubt', async () => {
    const { admit, identityOf, doubt } = admissions()
    expect(identityOf(call.credentials)).toBeUndefined()
    await admit(call)
    expect(identityOf(call.credentials)).toBe(identity)
    expect(identityOf({ kind: 'token', header: 'Bearer another' })).toBeUndefined()
    doubt()
    expect(identityOf(call.credentials)).toBeUndefined()
  })

  it('is checked each time where calls are counted', async () => {
    const { admit } = admissions({ isLimited: () => true })
    await admit(call)
    await admit(call)
    expect(authenticate).toHaveBeenCalledTimes(2)
  })

  it('is checked anew once it is old, or the key has expired', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const { admit, doubt } = admissions()
    doubt(true)
    await admit(call)
    vi.advanceTimersByTime(900)
    await admit(call)
    expect(authenticate).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(150)
    authenticate.mockResolvedValue({ ...identity, expiresAt: new Date(Date.now() - 1) })
    await admit(call)
    expect(authenticate).toHaveBeenCalledTimes(2)
    await admit(call)
    expect(authenticate).toHaveBeenCalledTimes(3)
    vi.useRealTimers()
  })

  it('holds for a tenth of a second while changes are not heard of', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const { admit, doubt } = admissions()
    doubt(true)
    doubt(false)
    await admit(call)
    vi.advanceTimersByTime(50)
    await admit(call)
    expect(authenticate).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(60)
    await admit(call)
    expect(authenticate).toHaveBeenCalledTimes(2)
    vi.useRealTimers()
  })

  it('stays as it was for a minute while the database is away', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const { admit } = admissions()
    expect(await admit(call)).toMatchObject({ databaseAway: false })
    authenticate.mockRejectedValue(new AppError('database_unavailable', 'away'))
    vi.advanceTimersByTime(59_000)
    expect(await admit(call)).toMatchObject({ databaseAway: true, collection: place })
    await expect(admit({ ...call, credentials: { kind: 'token', header: 'Bearer another' } })).rejects.toThrow(
      'does not answer',
    )
    vi.advanceTimersByTime(2_000)
    await expect(admit(call)).rejects.toThrow('does not answer')
    vi.useRealTimers()
  })
})
