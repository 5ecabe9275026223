import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const views = '/api/v1/views/acme'

test('a view is saved, replaced, listed and deleted', async () => {
  const view = { query: 'status=failed&label_not=reviewed', columns: ['status', 'cost_usd'] }
  const made = await jetty.call('PUT', `${views}/Failing%20runs`, { task: 'job', ...view })
  expect(made.body).toMatchObject({ name: 'Failing runs', task: 'job', author: 'admin', ...view })
  await jetty.call('PUT', `${views}/failing%20runs`, { query: 'status=failed' })
  await jetty.call('PUT', `${views}/a`, { query: '' })
  const { body } = await jetty.call('GET', views)
  expect(body.views.map((one: { name: string }) => one.name)).toEqual(['a', 'failing runs'])
  expect((await jetty.call('GET', `${views}/FAILING%20RUNS`)).body).toMatchObject({ task: null, columns: [] })
  expect((await jetty.call('DELETE', `${views}/a`)).status).toBe(200)
  expect((await jetty.call('DELETE', `${views}/a`)).status).toBe(404)
  expect((await jetty.call('PUT', `${views}/%0a`, { query: '' })).status).toBe(422)
})
