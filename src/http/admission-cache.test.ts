import { beforeEach, describe, expect, it, vi } from 'vitest'
import { AppError } from '../lib/errors.ts'
import type { Identity } from '../model/collections/identity.ts'
import { comeOften, makeAdmissionCache } from './admission-cache.ts'
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
    authenticate,
    findPlace: async () => place,
    findCollection: async () => undefined,
    findTask: async () => undefined,
    ...more,
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

const start = {
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
const task = { id: 3, name: 'hello', definition: 'd1', environment_id: null }

const findTask = vi.fn<AccessChecks['findTask']>()
describe('an admission of calls that come often', () => {
  beforeEach(() => {
    authenticate.mockReset().mockResolvedValue(identity)
    findTask.mockReset().mockResolvedValue({ collection: { id: 7, name: 'acme', payer: 1, settings: {} }, task })
  })

  it('holds for a moment, for any case of the names', async () => {
    const { admitOften: admit } = admissions({ findTask })
    expect((await admit(start)).task).toEqual(task)
    expect((await admit({ ...start, params: { collection: 'Acme', task: 'HELLO' } })).task).toEqual(task)
    expect([authenticate.mock.calls.length, findTask.mock.calls.length]).toEqual([1, 1])
  })

  it('holds for calls of workers, which name no task', async () => {
    const { admitOften: admit } = admissions({ findTask })
    const path = '/workers/{worker_id}/poll'
    const poll = endpoint({ method: 'POST', path, summary: '', tag: '', response: 'bytes', access: 'worker' })
    for (const worker_id of ['a', 'b']) await admit({ ...start, endpoint: poll, params: { worker_id } })
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
    const { admitOften: admit } = admissions({ findTask })
    await admit(start)
    await admit({ ...start, ...other })
    expect(authenticate).toHaveBeenCalledTimes(2)
  })

  it('is looked up again after a change, also while it was looked up', async () => {
    const { admitOften: admit, doubt } = admissions({ findTask })
    const asked = admit(start)
    doubt()
    await asked
    authenticate.mockRejectedValue(new Error('revoked'))
    await expect(admit(start)).rejects.toThrow('revoked')
  })

  it('is looked up again once it is old, or the key has expired', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const { admitOften: admit } = admissions({ findTask })
    await admit(start)
    vi.advanceTimersByTime(150)
    authenticate.mockResolvedValue({ ...identity, expiresAt: new Date(Date.now() - 1) })
    await admit(start)
    await admit(start)
    expect(authenticate).toHaveBeenCalledTimes(3)
    vi.useRealTimers()
  })

  it('is not kept where calls are counted, where the task is missing, and for a browser', async () => {
    const limited = admissions({ findTask, isLimited: () => true })
    await limited.admitOften(start)
    await limited.admitOften(start)
    const { admitOften: admit } = admissions({ findTask })
    const browser = { ...start, credentials: { kind: 'session', cookie: 'c', header: 'h' } as Credentials }
    await admit(browser)
    await admit(browser)
    findTask.mockResolvedValue({ collection: { id: 7, name: 'acme', payer: 1, settings: {} }, task: undefined })
    await admit(start)
    await admit(start)
    expect(authenticate).toHaveBeenCalledTimes(6)
  })
})
