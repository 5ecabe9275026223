// Files of a job: a key of workers opens those of the job's collection, and only while its worker has the job.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'
import { startTestWorker, type TestWorker } from './test-worker.ts'

let jetty: TestServer
let worker: TestWorker
let keys: Record<'mine' | 'beside' | 'other', string>

const keyOf = async (name: string, collection: string): Promise<string> => {
  const body = { name, collection_name: collection, access_level: 'WORKER' }
  return (await jetty.call('POST', '/api/v1/api-keys', body)).body.api_key
}

beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_WORKER_LEASE_SECONDS: '120' } })
  await jetty.call('POST', '/api/v1/collections', { name: 'other' })
  keys = {
    mine: await keyOf('mine', 'acme'),
    beside: await keyOf('beside', 'acme'),
    other: await keyOf('other', 'other'),
  }
  worker = await startTestWorker(jetty, ['test.files'], {}, keys.mine)
})
afterAll(() => jetty?.close())

const formOf = (fields: Record<string, string>, content?: string): FormData => {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  if (content !== undefined) form.append('file', new Blob([content], { type: 'text/plain' }), 'made.txt')
  return form
}

it('are open to its worker, with its epoch, until the job is settled', async () => {
  const task = await jetty.task({ step_configs: { own: { activity: 'test.files' } }, steps: ['own'] })
  const { trajectory_id } = await jetty.start(task)
  const job = await worker.take()
  const files = `/api/v1/workers/${worker.id}/jobs/${job.job_id}/files`
  const stored = await jetty.call('POST', files, formOf({ epoch: '1' }, 'made here'), keys.mine)
  expect(stored).toMatchObject({
    status: 200,
    body: { name: 'made.txt', size: 9, path: expect.stringMatching(/^acme\//) },
  })
  const get = (path: string, query = 'epoch=1', token = keys.mine) =>
    jetty.call('GET', `${files}/${path}?${query}`, undefined, token)
  const { path } = stored.body
  expect((await get(path)).body).toBe('made here')

  const theirs = await jetty.call('POST', '/api/v1/files/upload', formOf({ collection: 'other' }, 'secret of others'))
  expect(await get(theirs.body.path)).toMatchObject({ status: 404, body: { detail: 'File not found' } })
  expect(await get(`acme/../${theirs.body.path}`)).toMatchObject({ status: 404 })
  expect(await get(`acme/${theirs.body.path.slice('other/'.length)}`)).toMatchObject({ status: 404 })
  expect(await get(path, 'epoch=2')).toMatchObject({ status: 409 })
  expect(await get(path, '')).toMatchObject({ status: 422 })
  expect(await get(path, 'epoch=1', keys.beside)).toMatchObject({ status: 404, body: { detail: 'Worker not found' } })
  expect(await get(path, 'epoch=1', keys.other)).toMatchObject({ status: 404 })
  expect(await jetty.call('GET', `/api/v1/file/${path}`, undefined, keys.mine)).toMatchObject({ status: 403 })
  expect(await jetty.call('POST', files, formOf({ epoch: '1' }), keys.mine)).toMatchObject({ status: 422 })
  expect(await jetty.call('POST', files, formOf({ epoch: '2' }, 'late'), keys.mine)).toMatchObject({ status: 409 })

  expect(await worker.say(job, 'complete', { outputs: { path } })).toMatchObject({ status: 200 })
  expect(await get(path)).toMatchObject({ status: 409 })
  const done = await jetty.until(task, trajectory_id, ({ status }) => status === 'completed')
  expect((await jetty.call('GET', `/api/v1/file/${done.steps.own.outputs.path}`)).body).toBe('made here')
})

it('ends the open poll of a worker that is stopped', { timeout: 45_000 }, async () => {
  const open = worker.poll({ wait_seconds: 50 })
  expect((await jetty.call('DELETE', `/api/v1/workers/${worker.id}`, undefined, keys.mine)).status).toBe(200)
  expect((await open).body).toEqual({ jobs: [], drain: true })
})
