// What clients meet at a limit (contract 6.1 row 76, 2.6): one server, with limits that are met soon.
import { afterAll, beforeAll, expect } from 'vitest'
import { type CompatServer, startCompatServer } from './client.ts'
import { test } from './promise.ts'

let server: CompatServer
beforeAll(async () => {
  server = await startCompatServer({ JETTY_RATE_LIMIT: '5', JETTY_SYNC_WAIT_SECONDS: '1' })
})
afterAll(() => server?.close())

test('row 76: 401, 403, 404, 422, 429 and 500 say what to do in detail; the sixth call of a minute is the 429', async () => {
  const none = await server.nobody.send('GET', '/api/v1/collections/')
  expect([none.status, none.body.detail]).toEqual([401, 'Not authenticated'])
  const calls = [
    ['GET', '/collections/', 200],
    ['DELETE', '/collections/acme', 403],
    ['GET', '/tasks/acme/typo', 404],
    ['POST', '/tasks/acme', 422],
    ['GET', '/collections/acme', 200],
    ['GET', '/collections/', 429],
  ] as const
  for (const [method, path, status] of calls) {
    const answer = await server.client.send(method, `/api/v1${path}`, method === 'POST' ? { body: '{}' } : {})
    expect([path, answer.status]).toEqual([path, status])
    if (status === 200) continue
    expect(answer.body.detail.length).toBeGreaterThan(0)
    if (status !== 429) continue
    expect(answer.body.detail).toBe('Rate limit exceeded')
    expect(answer.headers['retry-after']).toMatch(/^\d+$/)
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60)
  }
  const { database } = server.jetty.server
  await database.query('alter table agents rename to agents_elsewhere')
  const bug = await server.admin.json('POST', '/api/v1/collections/', { name: 'buggy' })
  await database.query('alter table agents_elsewhere rename to agents')
  expect([bug.status, bug.body]).toEqual([500, { detail: 'Internal Server Error' }])
})

test('runWorkflowSync that takes longer than the server waits: 524 with the ids, and the run goes on', async () => {
  const workflow = { step_configs: { gate: { activity: 'wait_for_approval', message: 'Go on?' } }, steps: ['gate'] }
  await server.admin.json('POST', '/api/v1/tasks/acme', { name: 'gated', description: '', workflow })
  const answer = await server.admin.form('/api/v1/run-sync/acme/gated', [{ name: 'init_params', content: '{}' }])
  const { trajectory_id: id, workflow_id, detail } = answer.body
  expect([answer.status, detail, workflow_id]).toEqual([
    524,
    'Run still in progress; poll the trajectory',
    `acme-gated--${id}`,
  ])
  const path = `/api/v1/trajectory/acme/gated/${id}/steps/gate/approval`
  expect((await server.admin.json('POST', path, { decision: 'approve' })).status).toBe(200)
  expect((await server.ended('gated', id)).status).toBe('completed')
})
