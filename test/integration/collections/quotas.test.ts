// A collection that stores as much as it may is refused more, in words, and the others are not.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { removeOldRuns } from '../../../src/store/collections/retention.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ houseMs: 200 })
  for (const name of ['small', 'few', 'parent']) await jetty.call('POST', '/api/v1/collections', { name })
})
afterAll(() => jetty?.close())

const echo = { step_configs: { say: { activity: 'text_echo', text_path: 'init_params.text' } }, steps: ['say'] }
const addTask = (collection: string, name: string, workflow: object) =>
  jetty.call('POST', `/api/v1/tasks/${collection}`, { name, workflow })
const run = (collection: string, task: string, initParams: object) =>
  jetty.call('POST', `/api/v1/run-sync/${collection}/${task}`, { init_params: initParams })
const usageOf = async (collection: string): Promise<Body> =>
  (await jetty.call('GET', `/api/v1/collections/${collection}/usage`)).body
const setQuota = (collection: string, quota: object | null) =>
  jetty.call('PATCH', `/api/v1/collections/${collection}/settings`, { quota })
const upload = async (collection: string, bytes: number): Promise<Response> => {
  const form = new FormData()
  form.set('collection', collection)
  form.set('file', new Blob(['x'.repeat(bytes)]), 'note.txt')
  const headers = { authorization: `Bearer ${jetty.server.adminToken}` }
  return fetch(`${jetty.url}/api/v1/files/upload`, { method: 'POST', headers, body: form })
}

it('bytes of runs and files count, and above the quota runs, uploads and recorded calls are refused', async () => {
  await addTask('small', 'echo', echo)
  expect((await setQuota('small', { stored_bytes: 100_000 })).status).toBe(200)
  expect((await run('small', 'echo', { text: 'y'.repeat(20_000) })).body.status).toBe('completed')
  expect((await upload('small', 50_000)).status).toBe(200)
  // The text stands in the parameters, in the step's inputs and in its outputs.
  await expect.poll(async () => (await usageOf('small')).stored_bytes).toBeGreaterThan(110_000)
  expect(await usageOf('small')).toMatchObject({ runs: 1, file_bytes: 50_000, quota: { stored_bytes: 100_000 } })

  const refused = await run('small', 'echo', { text: 'one more' })
  expect(refused.status).toBe(429)
  expect(refused.body.detail).toMatch(/^This collection stores .* and its quota is 97\.7 KiB/)
  expect((await upload('small', 10)).status).toBe(429)
  const asked = {
    model: 'scripted/echo',
    messages: [{ role: 'user', content: 'hi' }],
    jetty: { collection: 'small', runbook: false },
  }
  expect((await jetty.call('POST', '/v1/chat/completions', asked)).status).toBe(429)

  await addTask('acme', 'echo', echo)
  expect((await run('acme', 'echo', { text: 'of another collection' })).body.status).toBe('completed')
  await setQuota('small', null)
  await expect.poll(async () => (await run('small', 'echo', { text: 'again' })).status).toBe(200)
})

it('a step that would write on above the quota fails by that name', async () => {
  await jetty.call('POST', '/api/v1/collections', { name: 'growing' })
  const step = { activity: 'text_echo', text_path: 'init_params.text' }
  const names = Array.from({ length: 20 }, (_, at) => `s${at}`)
  const sleep = { activity: 'sleep', seconds: 0.3 }
  const workflow = {
    step_configs: { ...Object.fromEntries(names.map((name) => [name, step])), wait: sleep },
    steps: ['s0', 's1', 'wait', ...names.slice(2)],
  }
  await addTask('growing', 'echo', workflow)
  await setQuota('growing', { stored_bytes: 60_000 })
  const { body } = await run('growing', 'echo', { text: 'z'.repeat(20_000) })
  expect(body).toMatchObject({ status: 'failed', error: expect.stringContaining('its quota is 58.6 KiB') })
  expect(Object.keys(body.steps).length).toBeLessThan(6)
})

it('runs count, those that runs start included, and retention makes room', async () => {
  await addTask('few', 'echo', echo)
  await addTask('few', 'many', {
    step_configs: {
      all: {
        activity: 'list_emit_await',
        items_path: 'init_params.items',
        child_workflow_name: 'echo',
        item_param_name: 'text',
      },
    },
    steps: ['all'],
  })
  await setQuota('few', { runs: 5 })
  expect((await run('few', 'many', { items: ['a', 'b', 'c'] })).body.status).toBe('completed')
  expect((await run('few', 'many', { items: ['a', 'b', 'c'] })).body).toMatchObject({
    status: 'failed',
    error: expect.stringContaining(
      'This collection keeps 5 of the 5 runs that its quota allows; 3 more would exceed it',
    ),
  })
  expect((await run('few', 'echo', { text: 'x' })).body.detail).toContain('This collection keeps 5 of the 5 runs')

  const written = () => jetty.server.database.query('select from collection_usage where runs = 5')
  await expect.poll(written).toHaveLength(1)
  await jetty.server.database.query(`update runs set created_at = created_at - interval '3 days', ended_at = ended_at - interval '3 days'
    where collection_id = (select id from collections where name = 'few')`)
  await jetty.call('PATCH', '/api/v1/collections/few/settings', { retention_days: 1 })
  await removeOldRuns(jetty.server.database, { objects: jetty.server.objects })
  expect((await usageOf('few')).runs).toBe(0)
  await expect.poll(async () => (await run('few', 'echo', { text: 'x' })).status).toBe(200)
})

it('only the admin changes a quota', async () => {
  const { api_key: key } = (await jetty.call('POST', '/api/v1/api-keys', { name: 'own', collection_name: 'parent' }))
    .body
  const answer = await fetch(`${jetty.url}/api/v1/collections/parent/settings`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: '{"quota": {"runs": 1000000000}}',
  })
  expect(answer.status).toBe(403)
  expect(await answer.json()).toMatchObject({ detail: 'Only the admin token can change the quota of a collection' })
})

it('what was stored before is measured', async () => {
  await jetty.server.database.query('delete from collection_usage')
  await expect.poll(async () => (await usageOf('small')).measured).not.toBeNull()
  const usage = await usageOf('small')
  expect(usage.file_bytes).toBe(50_000)
  expect(usage.database_bytes).toBeGreaterThan(60_000)
})
