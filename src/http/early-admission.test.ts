import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Identity } from '../model/collections/identity.ts'
import { makeEarlyAdmission } from './early-admission.ts'
import { endpoint } from './endpoint.ts'

const call = {
  endpoint: endpoint({ method: 'POST', path: '/v1/x', summary: '', tag: '', response: 'bytes', access: 'write' }),
  name: undefined,
  header: 'Bearer some-token',
  address: undefined,
}
const identity: Identity = {
  kind: 'key',
  keyId: 1,
  name: 'k',
  prefix: 'mlc_...xxxx',
  access: 'WRITE',
  collectionIds: [7],
  homeId: 7,
  expiresAt: null,
}
const place = { id: 7, name: 'acme', settings: {}, environment_id: null }

const authenticate = vi.fn(async (): Promise<Identity> => identity)
const admissions = () =>
  makeEarlyAdmission({
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
    expect(admit(call).known).toBeUndefined()
    await admit(call).checked
    authenticate.mockClear()
    for (let at = 0; at < 10; at++) expect((await admit(call).checked).collection.id).toBe(7)
    expect(authenticate).not.toHaveBeenCalled()
  })

  it('is of one token alone', async () => {
    const { admit } = admissions()
    await admit(call).checked
    authenticate.mockRejectedValue(new Error('unknown'))
    await expect(admit({ ...call, header: 'Bearer another' }).checked).rejects.toThrow('unknown')
  })

  it('is checked anew after a doubt, also where the check was under way', async () => {
    const { admit, doubt } = admissions()
    const { checked } = admit(call)
    doubt()
    await checked
    authenticate.mockRejectedValue(new Error('revoked'))
    await expect(admit(call).checked).rejects.toThrow('revoked')
  })

  it('is checked anew once it is old, or the key has expired', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const { admit } = admissions()
    await admit(call).checked
    vi.advanceTimersByTime(150)
    authenticate.mockResolvedValue({ ...identity, expiresAt: new Date(Date.now() - 1) })
    await admit(call).checked
    expect(authenticate).toHaveBeenCalledTimes(2)
    await admit(call).checked
    expect(authenticate).toHaveBeenCalledTimes(3)
    vi.useRealTimers()
  })
})
