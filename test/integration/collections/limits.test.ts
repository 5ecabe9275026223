import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sweepCallWindows } from '../../../src/store/calls/call-guard.ts'
import { startApiServer } from '../../api-server.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let keys = 0

const makeKey = async (server: TestServer, collections = ['acme']): Promise<string> => {
  const [collection_name, ...more] = collections
  const body = { name: `k${++keys}`, collection_name, collections: more }
  return (await server.call('POST', '/api/v1/api-keys/', body)).body.api_key
}

const whoAmI = (server: TestServer, token: string) => server.call('GET', '/api/v1/auth/whoami', undefined, token)
const many = async <T>(times: number, call: () => Promise<T>): Promise<T[]> => {
  const answers: T[] = []
  for (let i = 0; i < times; i++) answers.push(await call())
  return answers
}

beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_RATE_LIMIT: '5', JETTY_AUTH_FAILURES_PER_MINUTE: '4' } })
  await jetty.call('POST', '/api/v1/collections/', { name: 'other' })
})
afterAll(() => jetty?.close())

describe('calls of a key', () => {
  test('the sixth of a minute gets 429 with Retry-After; other keys and the admin token go on', async () => {
    const [key, second] = [await makeKey(jetty), await makeKey(jetty)]
    expect((await many(5, () => whoAmI(jetty, key))).map((answer) => answer.status)).toEqual(Array(5).fill(200))
    const sixth = await whoAmI(jetty, key)
    expect([sixth.status, sixth.body.detail]).toEqual([429, 'Rate limit exceeded'])
    const wait = Number(sixth.headers.get('retry-after'))
    expect(Number.isInteger(wait) && wait >= 1 && wait <= 60).toBe(true)
    expect((await whoAmI(jetty, second)).status).toBe(200)
    expect((await many(8, () => whoAmI(jetty, jetty.server.adminToken))).every(({ status }) => status === 200)).toBe(
      true,
    )
  })

  test('after its minute a key may call again, and what is refused counts as a call too', async () => {
    const key = await makeKey(jetty)
    const foreign = () => jetty.call('GET', '/api/v1/tasks/other/', undefined, key)
    expect((await many(6, foreign)).map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 429])
    const { database } = jetty.server
    await database.query("update call_windows set started_at = started_at - interval '1 minute'")
    expect((await whoAmI(jetty, key)).status).toBe(200)
    await sweepCallWindows(database)
    expect((await database.query<{ n: number }>('select count(*) as n from call_windows'))[0]?.n).toBeGreaterThan(0)
    await database.query("update call_windows set started_at = started_at - interval '11 minutes'")
    await sweepCallWindows(database)
    expect((await database.query<{ n: number }>('select count(*) as n from call_windows'))[0]?.n).toBe(0)
  })

  test('a clock that was an hour ahead and is set right holds nobody up', async () => {
    const key = await makeKey(jetty)
    await many(6, () => whoAmI(jetty, key))
    const { database } = jetty.server
    await database.query("update call_windows set started_at = started_at + interval '1 hour'")
    expect((await whoAmI(jetty, key)).status).toBe(200)
  })

  test('of twenty at once exactly five are answered', async () => {
    const key = await makeKey(jetty)
    const answers = await Promise.all(Array.from({ length: 20 }, () => whoAmI(jetty, key)))
    expect(answers.filter(({ status }) => status === 200).length).toBe(5)
    expect(answers.filter(({ status }) => status === 429).length).toBe(15)
  })

  test("a collection's own limit counts beside that of the server, a higher one instead of it, and acts at the next call", async () => {
    const key = await makeKey(jetty, ['acme', 'other'])
    const set = (limit: number | null) =>
      jetty.call('PATCH', '/api/v1/collections/other/settings', { rate_limit_per_minute: limit })
    const list = (collection: string) => jetty.call('GET', `/api/v1/tasks/${collection}/`, undefined, key)
    expect((await set(2)).status).toBe(200)
    expect((await many(3, () => list('other'))).map(({ status }) => status)).toEqual([200, 200, 429])
    expect((await many(3, () => list('acme'))).map(({ status }) => status)).toEqual([200, 200, 429])
    await set(7)
    expect((await many(5, () => list('other'))).map(({ status }) => status)).toEqual([200, 200, 200, 200, 429])
    const task = () => jetty.call('POST', '/api/v1/run/other/none', {}, key)
    expect((await task()).status).toBe(429)
    await set(null)
    expect((await list('other')).status).toBe(429) // its calls count among the others again
  })
})

test('too many refused tokens of an address get 429; valid ones and calls without a token do not', async () => {
  const key = await makeKey(jetty)
  const wrong = ['mlc_x', 'nothing', `mlc_${'a'.repeat(32)}`, 'admin']
  const refused = await Promise.all(wrong.map((token) => whoAmI(jetty, token)))
  expect(refused.map(({ status }) => status)).toEqual([401, 401, 401, 401])
  const fifth = await whoAmI(jetty, 'nothing')
  expect([fifth.status, fifth.body.detail]).toEqual([429, 'Rate limit exceeded'])
  expect(Number(fifth.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await whoAmI(jetty, key)).status).toBe(200)
  expect((await whoAmI(jetty, jetty.server.adminToken)).status).toBe(200)
  expect((await fetch(`${jetty.url}/api/v1/auth/whoami`)).status).toBe(401)
  expect((await whoAmI(jetty, 'nothing')).status).toBe(429)
  const open = await fetch(`${jetty.url}/api/v1/health`, { headers: { authorization: 'Bearer nothing' } })
  expect(open.status).toBe(200)
})

test('several processes on one database share the count', async () => {
  const first = await startApiServer({ limits: { callsPerMinute: 5 } })
  const second = await startApiServer({ limits: { callsPerMinute: 5 }, beside: first })
  try {
    await first.call('POST', '/api/v1/collections/', { body: { name: 'acme' } })
    const token = await first.makeKey(['acme'])
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? first : second).call('GET', '/api/v1/auth/whoami', { token })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(5).fill(200), ...Array(15).fill(429)])
  } finally {
    await second.close()
    await first.close()
  }
})

test('without limits nothing is counted', async () => {
  const server = await startApiServer()
  try {
    await server.call('POST', '/api/v1/collections/', { body: { name: 'acme' } })
    const key = await server.makeKey(['acme'])
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, i) =>
        server.call('GET', '/api/v1/auth/whoami', { token: i % 2 ? key : 'nothing' }),
      ),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 401]))
    const [row] = await server.database.query<{ n: number }>('select count(*) as n from call_windows')
    expect(row?.n).toBe(0)
  } finally {
    await server.close()
  }
})
