import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Identity } from '../model/collections/identity.ts'
import type { AccessChecks, Credentials } from './authorise.ts'
import { endpoint } from './endpoint.ts'
import { comeOften, makeKeptAdmissions } from './kept-admissions.ts'

const call = {
  endpoint: endpoint({
    method: 'POST',
    path: '/run/{collection}/{task}',
    summary: '',
    tag: '',
    response: 'bytes',
    task: true,
  }),
  params: { collection: 'acme', task: 'hello' },
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
const task = { id: 3, name: 'hello', definition: 'd1', environment_id: null }

const authenticate = vi.fn(async (): Promise<Identity> => identity)
const findTask = vi.fn<AccessChecks['findTask']>()
const admissions = (more: Partial<AccessChecks> = {}) =>
  makeKeptAdmissions({ ...more, authenticate, findTask, findCollection: async () => undefined })

beforeEach(() => {
  authenticate.mockReset().mockResolvedValue(identity)
  findTask.mockReset().mockResolvedValue({ collection: { id: 7, name: 'acme', payer: 1, settings: {} }, task })
})

describe('a kept admission', () => {
  it('holds for a moment, for any case of the names', async () => {
    const { admit } = admissions()
    expect((await admit(call)).task).toEqual(task)
    expect((await admit({ ...call, params: { collection: 'Acme', task: 'HELLO' } })).task).toEqual(task)
    expect([authenticate.mock.calls.length, findTask.mock.calls.length]).toEqual([1, 1])
  })

  it('holds for calls of workers, which name no task', async () => {
    const { admit } = admissions()
    const path = '/workers/{worker_id}/poll'
    const poll = endpoint({ method: 'POST', path, summary: '', tag: '', response: 'bytes', access: 'worker' })
    for (const worker_id of ['a', 'b']) await admit({ ...call, endpoint: poll, params: { worker_id } })
    expect(authenticate).toHaveBeenCalledTimes(1)
    expect(comeOften(poll)).toBe(true)
    const download = endpoint({
      method: 'GET',
      path: '/files/{path...}',
      summary: '',
      tag: '',
      response: 'bytes',
      access: 'worker',
    })
    expect(comeOften(download)).toBe(false) // its path names a collection
  })

  it.each([
    ['another token', { credentials: { kind: 'token', header: 'Bearer another' } as Credentials }],
    ['another task', { params: { collection: 'acme', task: 'other' } }],
    ['another collection', { params: { collection: 'other', task: 'hello' } }],
  ])('is not one for %s', async (_, other) => {
    const { admit } = admissions()
    await admit(call)
    await admit({ ...call, ...other })
    expect(authenticate).toHaveBeenCalledTimes(2)
  })

  it('is looked up again after a change, also while it was looked up', async () => {
    const { admit, doubt } = admissions()
    const asked = admit(call)
    doubt()
    await asked
    authenticate.mockRejectedValue(new Error('revoked'))
    await expect(admit(call)).rejects.toThrow('revoked')
  })

  it('is looked up again once it is old, or the key has expired', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const { admit } = admissions()
    await admit(call)
    vi.advanceTimersByTime(150)
    authenticate.mockResolvedValue({ ...identity, expiresAt: new Date(Date.now() - 1) })
    await admit(call)
    await admit(call)
    expect(authenticate).toHaveBeenCalledTimes(3)
    vi.useRealTimers()
  })

  it('is not kept where calls are counted, where the task is missing, and for a browser', async () => {
    const limited = admissions({ isLimited: () => true })
    await limited.admit(call)
    await limited.admit(call)
    const { admit } = admissions()
    const browser = { ...call, credentials: { kind: 'session', cookie: 'c', header: 'h' } as Credentials }
    await admit(browser)
    await admit(browser)
    findTask.mockResolvedValue({ collection: { id: 7, name: 'acme', payer: 1, settings: {} }, task: undefined })
    await admit(call)
    await admit(call)
    expect(authenticate).toHaveBeenCalledTimes(6)
  })
})
