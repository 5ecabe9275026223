// Keys that were made with a key: who made them is shown, and they can be ended together.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

interface Made {
  id: number
  token: string
  body: Body
}
let names = 0
const make = async (token?: string): Promise<Made> => {
  const sent = { name: `key${++names}`, collection_name: 'acme' }
  const { status, body } = await jetty.call('POST', '/api/v1/api-keys', sent, token)
  expect(status).toBe(200)
  return { id: body.id, token: body.api_key, body }
}
const path = ({ id }: Made, query = '') => `/api/v1/api-keys/${id}${query}`
const works = async (...keys: Made[]): Promise<boolean[]> =>
  Promise.all(
    keys.map(async ({ token }) => (await jetty.call('GET', '/api/v1/auth/whoami', undefined, token)).status === 200),
  )
/** One made by the admin, one with that, and one with that one. */
const chain = async (): Promise<[Made, Made, Made]> => {
  const top = await make()
  const middle = await make(top.token)
  return [top, middle, await make(middle.token)]
}

describe('who made a key', () => {
  test('is in the answer, in the list, and stays there when the maker is gone', async () => {
    const [top, middle, low] = await chain()
    expect(top.body).toMatchObject({ created_by: 'admin', made_by_key_id: null })
    const byTop = `api-key:${top.body.name} (key ${top.id})`
    expect(middle.body).toMatchObject({ created_by: byTop, made_by_key_id: top.id })
    const list = async () => (await jetty.call('GET', '/api/v1/api-keys/collection/acme')).body
    expect((await list())[0]).toMatchObject({ id: low.id, made_by_key_id: middle.id })
    await jetty.call('DELETE', path(top))
    expect((await list())[1]).toMatchObject({ id: middle.id, created_by: byTop, made_by_key_id: null })
  })
})

describe('a key that is ended', () => {
  test('alone leaves the others, says which, and passes them to the key that made it', async () => {
    const [top, middle, low] = await chain()
    const { body } = await jetty.call('DELETE', path(middle))
    expect(body).toEqual({ message: 'API key deleted successfully', deleted: [middle.id], left: [low.id] })
    expect(await works(top, low)).toEqual([true, true])
    expect((await jetty.call('GET', path(low))).body.made_by_key_id).toBe(top.id)
    expect((await jetty.call('DELETE', path(top, '?below=true'))).body.deleted).toEqual([top.id, low.id])
    expect(await works(top, low)).toEqual([false, false])
  })

  test('with all below takes everything that came of it, and nothing else; the audit trail names them', async () => {
    const [top, middle, low] = await chain()
    const beside = await make(top.token)
    const { status, body } = await jetty.call('DELETE', path(middle, '?below=true'), undefined, top.token)
    expect([status, body.deleted, body.left]).toEqual([200, [middle.id, low.id], []])
    expect(await works(top, beside, middle, low)).toEqual([true, true, false, false])
    const { entries } = (await jetty.call('GET', '/api/v1/collections/acme/audit')).body
    expect(entries[0]).toMatchObject({
      operation: 'deleteKey',
      target: String(middle.id),
      changes: { below: [low.id] },
    })
  })

  test('can be switched off with all below, and never on', async () => {
    const [top, middle, low] = await chain()
    const off = await jetty.call('PUT', path(top, '?below=true'), { is_active: false })
    expect([off.status, off.body.is_active]).toEqual([200, false])
    expect(await works(top, middle, low)).toEqual([false, false, false])
    const on = await jetty.call('PUT', path(top, '?below=true'), { is_active: true })
    expect([on.status, on.body.detail[0].loc]).toEqual([422, ['query', 'below']])
    await jetty.call('PUT', path(top), { is_active: true })
    expect(await works(top, middle, low)).toEqual([true, false, false])
  })

  test('takes also a key that went on to make a collection which its maker does not cover', async () => {
    const [top, middle] = await chain()
    await jetty.call('POST', '/api/v1/collections', { name: 'of-the-middle' }, middle.token)
    expect((await jetty.call('DELETE', path(top, '?below=true'), undefined, top.token)).status).toBe(200)
    expect(await works(middle)).toEqual([false])
    const { entries } = (await jetty.call('GET', '/api/v1/collections/of-the-middle/audit')).body
    expect(entries[0]).toMatchObject({ operation: 'deleteKey', target: String(top.id) })
  })

  test.each([
    ['deleted', (key: Made) => jetty.call('DELETE', path(key, '?below=true'))],
    ['switched off', (key: Made) => jetty.call('PUT', path(key, '?below=true'), { is_active: false })],
  ])('leaves nothing behind that is made while it is being %s', async (_, end) => {
    const [top] = await chain()
    const made: Promise<Body>[] = []
    const sent = () => ({ name: `racing${++names}`, collection_name: 'acme' })
    const spam = () => made.push(jetty.call('POST', '/api/v1/api-keys', sent(), top.token))
    for (let count = 0; count < 20; count++) spam()
    const ending = end(top)
    for (let count = 0; count < 20; count++) spam()
    expect((await ending).status).toBe(200)
    const answers = await Promise.all(made)
    for (const { status } of answers) expect([200, 401, 404]).toContain(status)
    const tokens = answers.flatMap(({ body }) => body.api_key ?? [])
    for (const token of tokens) {
      expect((await jetty.call('GET', '/api/v1/auth/whoami', undefined, token)).status).toBe(401)
    }
  })
})
