import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../api-server.ts'

let server: ApiServer
beforeAll(async () => {
  server = await startApiServer()
  await server.call('POST', '/api/v1/collections/', { body: { name: 'acme' } })
})
afterAll(() => server?.close())

const path = '/api/v1/collections/acme/settings'
const set = (body: unknown, token?: string) => server.call('PATCH', path, { body, ...(token ? { token } : {}) })

test('every known setting is shown; a value sets, null unsets, what is absent stays', async () => {
  expect((await server.call('GET', path)).body).toEqual({ rate_limit_per_minute: null })
  expect((await set({ rate_limit_per_minute: 1_000_000 })).body).toEqual({ rate_limit_per_minute: 1_000_000 })
  expect((await set({})).body).toEqual({ rate_limit_per_minute: 1_000_000 })
  expect((await server.call('GET', `${path}/`)).body).toEqual({ rate_limit_per_minute: 1_000_000 })
  expect((await set({ rate_limit_per_minute: null })).body).toEqual({ rate_limit_per_minute: null })
  const [row] = await server.database.query<{ settings: string | null }>('select settings from collections')
  expect(row?.settings).toBeNull()
})

test('an unknown setting is refused by name, with the known ones; then nothing is changed', async () => {
  const answer = await set({ rate_limit_per_minute: 9, retention_days: 3, budget: {} })
  expect(answer.status).toBe(422)
  expect(answer.body.detail[0].msg).toBe("Unknown setting 'retention_days', 'budget'; there is: rate_limit_per_minute")
  expect((await server.call('GET', path)).body).toEqual({ rate_limit_per_minute: null })
})

test.each([0, -1, 1.5, 1_000_001, '5', true, {}])('rate_limit_per_minute may not be %j', async (value) => {
  const answer = await set({ rate_limit_per_minute: value })
  expect([answer.status, answer.body.detail[0].loc]).toEqual([422, ['body', 'rate_limit_per_minute']])
})

test('a read key sees settings and changes none', async () => {
  const reader = await server.makeKey(['acme'], 'READ')
  expect((await server.call('GET', path, { token: reader })).status).toBe(200)
  const answer = await set({ rate_limit_per_minute: 9 }, reader)
  expect([answer.status, answer.body.detail]).toEqual([403, 'Access level WRITE required.'])
})
