import { expect, test } from 'vitest'
import { z } from 'zod'
import type { AppError } from '../lib/errors.ts'
import type { Identity } from '../model/collections/identity.ts'
import { type AccessChecks, admit, type Credentials, credentialText } from './authorise.ts'
import { type AccessLevel, type Endpoint, endpoint } from './endpoint.ts'

const identity = (access: Identity['access'], ids: number[]): Identity => ({
  kind: access === 'ADMIN' ? 'admin' : 'key',
  keyId: 1,
  name: 'k',
  prefix: 'mlc_aaaa',
  access,
  payer: 1,
  collectionIds: ids,
  homeId: null,
  expiresAt: null,
})

const callers: Record<string, Identity> = {
  reader: identity('READ', [1]),
  writer: identity('WRITE', [1]),
  stranger: identity('WRITE', [2]),
  admin: identity('ADMIN', []),
  machine: identity('WORKER', [1]),
}
const checks: AccessChecks = {
  authenticate: async (credentials) => callers[credentialText(credentials)]!,
  findTask: async () => undefined,
  findCollection: async (name) => (name === 'acme' ? { id: 1, name, payer: 1 } : undefined),
}
const of = (access: AccessLevel): Endpoint =>
  endpoint({ method: 'GET', path: '/x/{collection}', summary: '', tag: '', access, response: z.unknown() })

const by = (header: string): Credentials => ({ kind: 'token', header })

const outcome = async (access: AccessLevel, caller: string | undefined, collection: string): Promise<string> => {
  try {
    await admit(checks, of(access), { collection }, caller === undefined ? undefined : by(caller))
    return 'in'
  } catch (error) {
    return `${(error as AppError).status} ${(error as AppError).message}`
  }
}

const [write, admin] = ['403 Access level WRITE required.', '403 Admin access required']
const machine = '403 This key is for workers: it takes jobs, and nothing else'
const worker = '403 Access level WORKER or WRITE required'
const [none, gone] = ['401 Not authenticated', '404 Collection not found']

test.each<[AccessLevel, string[], string[]]>([
  //          nobody  reader  writer  stranger  admin  machine      the same where the collection is unknown
  ['none', ['in', 'in', 'in', 'in', 'in', 'in'], [gone, gone, gone, gone, gone, gone]],
  ['optional', ['in', 'in', 'in', 'in', 'in', machine], [none, gone, gone, gone, gone, gone]],
  ['read', [none, 'in', 'in', gone, 'in', machine], [none, gone, gone, gone, gone, gone]],
  ['write', [none, write, 'in', gone, 'in', machine], [none, gone, gone, gone, gone, gone]],
  ['worker', [none, worker, 'in', gone, 'in', 'in'], [none, gone, gone, gone, gone, gone]],
  ['admin', [none, admin, admin, gone, 'in', machine], [none, gone, gone, gone, gone, gone]],
])('%s', async (access, known, unknown) => {
  const everybody = [undefined, 'reader', 'writer', 'stranger', 'admin', 'machine']
  expect(await Promise.all(everybody.map((who) => outcome(access, who, 'acme')))).toEqual(known)
  expect(await Promise.all(everybody.map((who) => outcome(access, who, 'nope')))).toEqual(unknown)
})

test('the text of an unknown collection is that of the endpoint', async () => {
  const task = endpoint({
    method: 'GET',
    path: '/x/{collection}/{task}',
    summary: '',
    tag: '',
    collectionMissing: "Task '{task}' in collection '{collection}' not found",
    response: z.unknown(),
  })
  const params = { collection: 'nope', task: '{collection}' }
  await expect(admit(checks, task, params, by('writer'))).rejects.toThrow(
    "Task '{collection}' in collection 'nope' not found",
  )
})

test('the first segment of a storage path is its collection', async () => {
  const file = endpoint({ method: 'GET', path: '/f/{path...}', summary: '', tag: '', response: 'bytes' })
  expect((await admit(checks, file, { path: 'acme/x' }, by('reader'))).collection).toEqual({
    id: 1,
    name: 'acme',
    payer: 1,
  })
  await expect(admit(checks, file, { path: 'acme/x' }, by('stranger'))).rejects.toThrow('Collection not found')
})
