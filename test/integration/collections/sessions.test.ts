import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BrowserSession, signIn } from '../../browser-session.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { type Answered, type Ask, send } from '../../walk/ask.ts'

let jetty: TestServer
let key: { id: number; api_key: string }
let browser: BrowserSession
let path: string

const makeKey = async (more: object = {}) => {
  const name = `key-${Math.random()}`
  return (await jetty.call('POST', '/api/v1/api-keys', { name, collection_name: 'acme', ...more })).body
}

const ask = (method: string, asked: Ask | string, headers: Record<string, string> = {}): Promise<Answered> =>
  send(Number(new URL(jetty.url).port), method, typeof asked === 'string' ? { path: asked } : asked, headers)
const statusOf = async (...args: Parameters<typeof ask>) => (await ask(...args)).status

beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_AUTH_FAILURES_PER_MINUTE: '0' } })
  key = await makeKey()
  const form = new FormData()
  form.append('collection', 'acme')
  form.append('file', new Blob(['0123456789']), 'ten.txt')
  path = (await jetty.call('POST', '/api/v1/files/upload', form, key.api_key)).body.path
  browser = await signIn(jetty.url, { token: key.api_key })
})
afterAll(() => jetty?.close())

describe('a key that a session makes', () => {
  const dayMs = 86_400_000
  const inDays = (days: number) => new Date(Date.now() + days * dayMs).toISOString()
  const make = async (more: object, headers = browser.headers) => {
    const body = { name: `of-a-session-${Math.random()}`, collection_name: 'acme', ...more }
    const { status, text } = await ask('POST', { path: '/api/v1/api-keys', body }, headers)
    return { status, body: JSON.parse(text) }
  }

  test('is valid for 90 days at most, also where none is named', async () => {
    const usual = await make({})
    expect(usual.status).toBe(200)
    const days = (Date.parse(usual.body.expires_at) - Date.now()) / dayMs
    expect(days > 89.9 && days <= 90.01).toBe(true)
    expect((await make({ expires_at: inDays(90) })).status).toBe(200)
    for (const expires_at of [null, inDays(92)]) {
      const refused = await make({ expires_at })
      expect([refused.status, refused.body.detail[0]]).toMatchObject([
        422,
        { loc: ['body', 'expires_at'], msg: expect.stringContaining('at most 90 days') },
      ])
    }
    const token = { authorization: `Bearer ${key.api_key}` }
    expect((await make({ expires_at: null }, token)).body.expires_at).toBeNull()
  })

  test('gets no later end by a change, whoever has made it', async () => {
    const made = await make({ expires_at: inDays(3) })
    for (const id of [made.body.id, key.id]) {
      const change = (expires_at: string | null) =>
        statusOf('PUT', { path: `/api/v1/api-keys/${id}`, body: { expires_at } }, browser.headers)
      expect([await change(null), await change(inDays(1000))]).toEqual([422, 422])
    }
    const path = `/api/v1/api-keys/${made.body.id}`
    expect(await statusOf('PUT', { path, body: { expires_at: inDays(30), name: 'later' } }, browser.headers)).toBe(200)
    expect(await statusOf('PUT', { path, body: { is_active: false } }, browser.headers)).toBe(200)
    expect(await statusOf('PUT', { path, body: { is_active: true } }, browser.headers)).toBe(200)
  })
})

describe('signing in', () => {
  test('sets a cookie that no script reads and no other site gets, and answers with the other half', async () => {
    const sent = { path: '/api/v1/session', body: { token: key.api_key } }
    const { headers, text } = await ask('POST', sent, { host: 'jetty.test:7070' })
    expect(headers['set-cookie']).toEqual([
      expect.stringMatching(/^jetty_session_7070=jsc_[\w-]{43}; Max-Age=1209600; Path=\/; HttpOnly; SameSite=Strict$/),
    ])
    expect(headers['cache-control']).toBe('no-store')
    const { session, expires_at, identity } = JSON.parse(text)
    expect(session).toMatch(/^jsh_[\w-]{43}$/)
    expect(Date.parse(expires_at) - Date.now()).toBeGreaterThan(13.9 * 86_400_000)
    expect(identity).toMatchObject({ auth_type: 'api_key', key_id: key.id, collections: ['acme'] })
  })

  test('refuses tokens that are not valid, bodies without or with two, and pages of other servers', async () => {
    const body = { path: '/api/v1/session', body: { token: key.api_key } }
    expect(await statusOf('POST', { ...body, body: { token: `mlc_${'a'.repeat(32)}` } })).toBe(401)
    expect(await statusOf('POST', { ...body, body: {} })).toBe(422)
    expect(await statusOf('POST', { ...body, body: { token: 'a', code: 'b' } })).toBe(422)
    expect(await statusOf('POST', body, { 'sec-fetch-site': 'same-site' })).toBe(403)
    expect(await statusOf('POST', body, { origin: `${jetty.url.slice(0, -1)}0` })).toBe(403)
    expect(await statusOf('POST', body, { origin: jetty.url })).toBe(200)
  })

  test('stores neither half, only their hashes', async () => {
    const rows = await jetty.server.database.query('select * from sessions')
    expect(JSON.stringify(rows)).not.toMatch(/js[cho]_/)
  })
})

describe('what each half opens', () => {
  const page = { 'sec-fetch-site': 'same-origin' }
  const elsewhere = { 'sec-fetch-site': 'same-site' }
  const collections = '/api/v1/collections'
  const cookie = () => ({ cookie: browser.cookie })
  const both = () => ({ cookie: browser.cookie, 'x-jetty-session': browser.half })
  const file = () => `/api/v1/file/${path}`
  const run = { path: '/api/v1/collections', body: { name: 'never' } }

  test.each<[string, string, () => Ask | string, () => Record<string, string>, number]>([
    ['both halves read', 'GET', () => collections, () => ({ ...both(), ...page }), 200],
    [
      'both halves write',
      'PATCH',
      () => ({ path: `${collections}/acme/settings`, body: {} }),
      () => ({ ...both(), ...page }),
      200,
    ],
    ['both halves read files', 'GET', file, () => ({ ...both(), ...page }), 200],
    ['both halves of a client that is no browser', 'GET', () => collections, both, 200],
    ['both halves write for no page of another port', 'POST', () => run, () => ({ ...both(), ...elsewhere }), 403],
    ['nor by its Origin', 'POST', () => run, () => ({ ...both(), origin: 'http://127.0.0.1:1' }), 403],
    ['nor by an opaque one', 'POST', () => run, () => ({ ...both(), origin: 'null' }), 403],
    ['the cookie alone reads files', 'GET', file, () => ({ ...cookie(), ...page }), 200],
    ['and their heads', 'HEAD', file, () => ({ ...cookie(), ...page }), 200],
    ['also where somebody types the address', 'GET', file, () => ({ ...cookie(), 'sec-fetch-site': 'none' }), 200],
    ['also over plain HTTP, by the Referer', 'GET', file, () => ({ ...cookie(), referer: `${jetty.url}/acme/t` }), 200],
    ['but for no page of another port', 'GET', file, () => ({ ...cookie(), ...elsewhere }), 401],
    ['nor of another site', 'GET', file, () => ({ ...cookie(), 'sec-fetch-site': 'cross-site' }), 401],
    ['nor by its Referer', 'GET', file, () => ({ ...cookie(), referer: 'http://127.0.0.1:1/' }), 401],
    ['nor where nothing says who asks', 'GET', file, cookie, 401],
    ['the cookie alone reads nothing else', 'GET', () => collections, () => ({ ...cookie(), ...page }), 401],
    ['and writes nothing', 'POST', () => run, () => ({ ...cookie(), ...page }), 401],
    ['and deletes no file', 'DELETE', () => '/api/v1/files/x', () => ({ ...cookie(), ...page }), 401],
    [
      'the header alone opens nothing',
      'GET',
      () => collections,
      () => ({ 'x-jetty-session': browser.half, ...page }),
      401,
    ],
    ['not even files', 'GET', file, () => ({ 'x-jetty-session': browser.half, ...page }), 401],
    [
      'a wrong header opens nothing',
      'GET',
      file,
      () => ({ ...both(), 'x-jetty-session': `jsh_${'a'.repeat(43)}`, ...page }),
      401,
    ],
    [
      'a wrong cookie opens nothing',
      'GET',
      file,
      () => ({ ...both(), cookie: browser.cookie.replace(/.{9}$/, 'aaaaaaaaa'), ...page }),
      401,
    ],
    ['halves are no tokens', 'GET', file, () => ({ authorization: `Bearer ${browser.half}`, ...page }), 401],
    [
      'nor in one header',
      'GET',
      () => collections,
      () => ({ authorization: `session\t${browser.cookie.split('=')[1]}` }),
      401,
    ],
    [
      'an Authorization header wins',
      'GET',
      () => collections,
      () => ({ ...both(), authorization: 'Bearer wrong', ...page }),
      401,
    ],
  ])('%s', async (_, method, asked, headers, status) => {
    expect(await statusOf(method, asked(), headers())).toBe(status)
  })

  test('the cookie alone reads a range of a file, and an uploaded one by its id', async () => {
    const part = await ask('GET', `/api/v1/file/${path}`, { ...cookie(), ...page, range: 'bytes=2-4' })
    expect([part.status, part.text]).toEqual([206, '234'])
    const { id } = (await jetty.call('GET', '/api/v1/files', undefined, key.api_key)).body.data[0]
    expect((await ask('GET', `/api/v1/files/${id}/content`, { ...cookie(), ...page })).text).toBe('0123456789')
    expect(await statusOf('GET', `/api/v1/files/${id}`, { ...cookie(), ...page })).toBe(401)
  })

  test('a model call counts both halves too', async () => {
    const body = {
      model: 'scripted/echo',
      messages: [{ role: 'user', content: 'hi' }],
      jetty: { runbook: false, record: false },
    }
    const sent = { path: '/v1/chat/completions', body }
    expect(await statusOf('POST', sent, browser.headers)).toBe(200)
    expect(await statusOf('POST', sent, { ...browser.headers, 'x-jetty-session': `jsh_${'b'.repeat(43)}` })).toBe(401)
    expect(await statusOf('POST', sent, { cookie: browser.cookie, 'sec-fetch-site': 'same-origin' })).toBe(401)
  })
})

describe('a session', () => {
  const whoami = (one: BrowserSession) => statusOf('GET', '/api/v1/auth/whoami', one.headers)

  test('may do what its key may, and no more', async () => {
    const reader = await makeKey({ access_level: 'READ' })
    const one = await signIn(jetty.url, { token: reader.api_key })
    expect(await whoami(one)).toBe(200)
    const made = await ask('POST', { path: '/api/v1/tasks/acme', body: { name: 'x', workflow: {} } }, one.headers)
    expect(made.status).toBe(403)
    expect(await statusOf('GET', '/api/v1/audit', one.headers)).toBe(403)
  })

  test('ends with its key, and while that is disabled', async () => {
    const made = await makeKey()
    const one = await signIn(jetty.url, { token: made.api_key })
    await jetty.call('PUT', `/api/v1/api-keys/${made.id}`, { is_active: false })
    expect(await whoami(one)).toBe(401)
    await jetty.call('PUT', `/api/v1/api-keys/${made.id}`, { is_active: true })
    expect(await whoami(one)).toBe(200)
    await jetty.call('DELETE', `/api/v1/api-keys/${made.id}`)
    expect(await whoami(one)).toBe(401)
  })

  test('ends at its time', async () => {
    const one = await signIn(jetty.url, { token: key.api_key })
    await jetty.server.database.query(
      "update sessions set expires_at = now() - interval '1 second' where id = (select max(id) from sessions)",
    )
    expect(await whoami(one)).toBe(401)
  })

  test('is shown, ended alone, and ended with all others of its key', async () => {
    const own = await makeKey()
    const [one, two, three] = [
      await signIn(jetty.url, { token: own.api_key }),
      await signIn(jetty.url, { token: own.api_key }),
      await signIn(jetty.url, { token: own.api_key }),
    ]
    const current = JSON.parse((await ask('GET', '/api/v1/session', two.headers)).text)
    expect(current).toMatchObject({
      is_current: true,
      key_id: own.id,
      agent: 'a browser',
      identity: { key_id: own.id },
    })
    const list = JSON.parse((await ask('GET', '/api/v1/sessions?limit=2', two.headers)).text)
    expect(list.sessions.map((session: { is_current: boolean }) => session.is_current)).toEqual([false, true])
    expect(list.has_more).toBe(true)
    const rest = JSON.parse((await ask('GET', `/api/v1/sessions?cursor=${list.next_cursor}`, two.headers)).text)
    expect([rest.sessions.length, rest.has_more]).toEqual([1, false])

    expect(await statusOf('DELETE', `/api/v1/sessions/${rest.sessions[0].id}`, browser.headers)).toBe(404)
    expect(await statusOf('DELETE', `/api/v1/sessions/${rest.sessions[0].id}`, two.headers)).toBe(200)
    expect([await whoami(one), await whoami(two)]).toEqual([401, 200])
    const left = await ask('DELETE', '/api/v1/session', two.headers)
    expect(String(left.headers['set-cookie'])).toMatch(/^jetty_session_\d+=; Max-Age=0;/)
    expect([await whoami(two), await whoami(three)]).toEqual([401, 200])
    await signIn(jetty.url, { token: own.api_key })
    expect(JSON.parse((await ask('DELETE', '/api/v1/sessions', three.headers)).text)).toEqual({ ended: 2 })
    expect(await whoami(three)).toBe(401)
    expect((await jetty.call('GET', '/api/v1/session', undefined, own.api_key)).status).toBe(404)
  })

  test('of the admin token sees all sessions, and ends with that token', async () => {
    const admin = await signIn(jetty.url, { token: jetty.server.adminToken })
    expect(admin.identity).toMatchObject({ auth_type: 'admin' })
    const { sessions } = JSON.parse((await ask('GET', '/api/v1/sessions', admin.headers)).text)
    expect(sessions.some((one: { key_id: number | null }) => one.key_id === key.id)).toBe(true)
    const other = await startTestServer({
      beside: jetty,
      env: { JETTY_ROLE: 'api', JETTY_ADMIN_TOKEN: 'another-admin-token-of-this-test' },
    })
    const asked = (cookie: string) =>
      send(Number(new URL(other.url).port), 'GET', { path: '/api/v1/auth/whoami' }, { ...admin.headers, cookie })
    const renamed = (one: BrowserSession) => `jetty_session_${new URL(other.url).port}=${one.cookie.split('=')[1]}`
    expect((await asked(renamed(admin))).status).toBe(401)
    expect((await asked(browser.cookie)).status).toBe(401) // a cookie of another port
    await other.close()
  })

  test('is in the audit trail, when it begins and when it ends', async () => {
    const one = await signIn(jetty.url, { token: key.api_key })
    await ask('DELETE', '/api/v1/session', one.headers)
    const { entries } = (await jetty.call('GET', '/api/v1/audit?limit=2')).body
    expect(
      entries.map(({ operation, actor, outcome }: Record<string, { key_id: number }>) => [
        operation,
        actor?.key_id,
        outcome,
      ]),
    ).toEqual([
      ['signOut', key.id, 'done'],
      ['signIn', key.id, 'done'],
    ])
    const own = (await jetty.call('GET', '/api/v1/collections/acme/audit?limit=2')).body
    expect(own.entries.map(({ operation }: { operation: string }) => operation)).toEqual(['signOut', 'signIn'])
    await signIn(jetty.url, { token: jetty.server.adminToken }) // of no collection
    expect((await jetty.call('GET', '/api/v1/collections/acme/audit?limit=1')).body.entries).toEqual([own.entries[0]])
  })

  test('stays where all others of its key are ended', async () => {
    const own = await makeKey()
    const [one, two] = [
      await signIn(jetty.url, { token: own.api_key }),
      await signIn(jetty.url, { token: own.api_key }),
    ]
    const kept = await ask('DELETE', '/api/v1/sessions?keep=current', one.headers)
    expect([JSON.parse(kept.text), kept.headers['set-cookie']]).toEqual([{ ended: 1 }, undefined])
    expect([await whoami(one), await whoami(two)]).toEqual([200, 401])
    const withToken = await jetty.call('DELETE', '/api/v1/sessions?keep=current', undefined, own.api_key)
    expect(withToken.status).toBe(404)
  })

  test('is one of at most a hundred of its key', async () => {
    const own = await makeKey()
    const first = await signIn(jetty.url, { token: own.api_key })
    for (let more = 0; more < 100; more++) await signIn(jetty.url, { token: own.api_key })
    expect(await whoami(first)).toBe(401)
    expect((await jetty.call('GET', '/api/v1/sessions?limit=500', undefined, own.api_key)).body.sessions).toHaveLength(
      100,
    )
  })
})

describe('a sign-in link', () => {
  const link = async (token = key.api_key) =>
    (await jetty.call('POST', '/api/v1/session/links', undefined, token)).body.url
  const codeOf = (url: string) => new URL(url).hash.replace('#once=', '')

  test('signs in once, as its maker', async () => {
    const url = await link()
    expect(url).toMatch(new RegExp(`^${jetty.url}/sign-in#once=jso_[\\w-]{43}$`))
    const one = await signIn(jetty.url, { code: codeOf(url) })
    expect(one.identity).toMatchObject({ key_id: key.id })
    const again = await ask('POST', { path: '/api/v1/session', body: { code: codeOf(url) } })
    expect([again.status, again.detail]).toEqual([401, 'This sign-in link was used before, or has expired'])
    expect((await signIn(jetty.url, { code: codeOf(await link(jetty.server.adminToken)) })).identity).toMatchObject({
      auth_type: 'admin',
    })
  })

  test('signs in one of two browsers that open it at once', async () => {
    const body = { code: codeOf(await link()) }
    const statuses = await Promise.all([1, 2, 3, 4].map(() => statusOf('POST', { path: '/api/v1/session', body })))
    expect(statuses.sort()).toEqual([200, 401, 401, 401])
  })

  test('ends after ten minutes, and with its key', async () => {
    const late = codeOf(await link())
    await jetty.server.database.query("update sign_in_codes set expires_at = expires_at - interval '10 minutes'")
    expect(await statusOf('POST', { path: '/api/v1/session', body: { code: late } })).toBe(401)
    const own = await makeKey()
    const code = codeOf(await link(own.api_key))
    await jetty.call('PUT', `/api/v1/api-keys/${own.id}`, { is_active: false })
    expect(await statusOf('POST', { path: '/api/v1/session', body: { code } })).toBe(401)
  })

  test('is made by tokens alone: a session carries itself nowhere', async () => {
    expect(await statusOf('POST', '/api/v1/session/links', browser.headers)).toBe(403)
  })
})

test('refused sessions and codes count with refused tokens', async () => {
  const strict = await startTestServer({
    beside: jetty,
    env: { JETTY_ROLE: 'api', JETTY_AUTH_FAILURES_PER_MINUTE: '3' },
  })
  const port = Number(new URL(strict.url).port)
  const wrong = { cookie: `jetty_session_${port}=jsc_${'a'.repeat(43)}`, 'x-jetty-session': 'x' }
  const tries = [
    () => send(port, 'GET', { path: '/api/v1/collections' }, wrong),
    () => send(port, 'POST', { path: '/api/v1/session', body: { code: 'x' } }, {}),
    () => send(port, 'POST', { path: '/api/v1/session', body: { token: 'x' } }, {}),
    () => send(port, 'GET', { path: '/api/v1/collections' }, wrong),
  ]
  const statuses: number[] = []
  for (const one of tries) statuses.push((await one()).status)
  expect(statuses).toEqual([401, 401, 401, 429])
  await strict.close()
})
