import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../../src/store/database/database.ts'
import { readEvents } from '../../event-stream.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

/** Values that every way of writing text spells in another way. When the server closes, nothing may hold one of them. */
const variables = {
  PLAIN: 'variable-Hq2-plain-9031',
  QUOTED: 'vari"able\\Hq2 quoted/ü+9032',
  LINES: 'variable Hq2\nof two lines 9033',
  NUMBER: '48151623421',
}
const secrets = {
  ONE_OFF: 'secret of one run: Bz5 & more?',
  PATH: 'in-the-path-Bz5-7714',
  QUOTED: 'wins"over the variable\tBz5',
}

let jetty: TestServer
let upstream: Server
let upstreamUrl: string
const received: { url: string; body: string }[] = []

beforeAll(async () => {
  // Another service that says everything back, as services do that report what was wrong with a request.
  upstream = createServer(async (request, response) => {
    const body = await textOf(request)
    received.push({ url: request.url ?? '', body })
    const status = request.url?.includes('broken') ? 400 : 200
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ path: request.url, body, raw: Buffer.from(body).toString('base64') }))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => upstream.once('listening', resolve))
  upstreamUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  jetty = await startTestServer({ env: { JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: variables })
})
afterAll(async () => {
  upstream?.close()
  await jetty?.close()
})

const everything = {
  plain: 'env.PLAIN',
  quoted: 'env.QUOTED',
  lines: 'env.LINES',
  number: 'env.NUMBER',
  once: 'env.ONE_OFF',
}
const address = (name: string) => ({ activity: 'text_template', template: `${upstreamUrl}/${name}/{{p}}?q={{p}}` })

const form = (seconds = 0) => ({
  init_params: {
    seconds,
    copied: [variables.PLAIN, { [secrets.ONE_OFF]: `around ${variables.QUOTED} it` }],
    encoded: Buffer.from(`user:${variables.PLAIN}`).toString('base64'),
    numeric: Number(variables.NUMBER),
  },
  secret_params: {
    ...secrets,
    ADDRESS: `${upstreamUrl}/hook/${secrets.PATH}`,
    BROKEN: `${upstreamUrl}/broken/${secrets.PATH}`,
  },
})

const workflow = {
  init_params: { seconds: 0 },
  step_configs: {
    echo: { activity: 'text_echo', text_path: everything },
    nap: { activity: 'sleep', seconds_path: 'init_params.seconds' },
    join: { ...address('x'), p_path: 'env.PATH', other_path: 'env.LINES' },
    save: { activity: 'save_text_file', content_path: everything, filename: 'kept.json' },
    read: { activity: 'read_text_file', file_path: 'save.outputs.path' },
    send: { activity: 'webhook_notify', url_path: 'env.ADDRESS', payload_path: everything },
    odd: { activity: 'text_split', text_path: 'env.LINES', chunk_size: 5, unknown_path: 'env.PLAIN' },
    fail: { activity: 'webhook_notify', url_path: 'env.BROKEN', payload_path: everything },
  },
  steps: ['echo', 'nap', 'join', 'save', 'read', 'send', 'odd', 'fail'],
}

/** Everything that shows a run. */
const lookAt = async (task: string, id: string): Promise<Body> => {
  const get = async (path: string) => {
    const answer = await jetty.call('GET', path)
    expect([path, answer.status]).toEqual([path, 200])
    return answer.body
  }
  const document = await get(`/api/v1/db/trajectory/acme/${task}/${id}`)
  for (const path of [
    `/api/v1/db/trajectories/acme/${task}`,
    `/api/v1/db/trajectories/acme/${task}?q=path&view=summary`,
    `/api/v1/db/stats/acme/${task}`,
    `/api/v1/workflows-logs/acme-${task}--${id}`,
    `/api/v1/trajectory/acme/${task}/${id}/download`,
    `/api/v1/list-files?prefix=acme`,
    ...(document.steps.save?.outputs?.path ? [`/api/v1/file/${document.steps.save.outputs.path}`] : []),
  ]) {
    await get(path)
  }
  await readEvents(`${jetty.url}/api/v1/trajectory/acme/${task}/${id}/events`, jetty.server.adminToken, {
    enough: (events) => events.some(({ event }) => event === 'snapshot'),
  })
  return document
}

test('a run that uses them in every place, and fails', async () => {
  const task = await jetty.task(workflow)
  const answer = await jetty.call('POST', `/api/v1/run-sync/acme/${task}`, form())
  const document = await lookAt(task, answer.body.trajectory_id)
  expect(document).toMatchObject({ status: 'failed', error: expect.stringMatching(/Step 'fail' failed/) })
  expect(document.steps.echo.outputs.text).toEqual({
    plain: '***',
    quoted: '***',
    lines: '***',
    number: '***',
    once: '***',
  })
  expect(document.init_params.copied).toEqual(['***', { '***': 'around *** it' }])
  expect(document.steps.send.status).toBe('completed')
  // The world outside got them as they are.
  expect(received.map(({ url }) => url)).toEqual([`/hook/${secrets.PATH}`, `/broken/${secrets.PATH}`])
  expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({ plain: variables.PLAIN, once: secrets.ONE_OFF })
})

test('the same as forms, with a file, and under a key that is sent twice', async () => {
  const task = await jetty.task({ ...workflow, steps: ['echo', 'save', 'read'] })
  const { init_params, secret_params } = form()
  const fields = { init_params: JSON.stringify(init_params), secret_params: JSON.stringify(secret_params) }
  const multipart = new FormData()
  for (const [name, value] of Object.entries(fields)) multipart.append(name, value)
  multipart.append('files', new Blob(['harmless']), 'note.txt')
  const first = await jetty.call('POST', `/api/v1/run-sync/acme/${task}`, multipart)
  expect(first.body.status).toBe('completed')
  await lookAt(task, first.body.trajectory_id)
  for (const _ of [1, 2]) {
    const response = await fetch(`${jetty.url}/api/v1/run-sync/acme/${task}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${jetty.server.adminToken}`, 'idempotency-key': 'once-and-for-all' },
      body: new URLSearchParams(fields),
    })
    expect(await response.json()).toMatchObject({ status: 'completed' })
  }
})

test('a run that parks, and goes on from what is stored', async () => {
  const task = await jetty.task({ ...workflow, steps: ['nap', 'echo', 'save', 'send'] })
  const { trajectory_id: id } = (await jetty.call('POST', `/api/v1/run/acme/${task}`, form(3_600))).body
  const queries = openDatabase(jetty.database.url, { connections: 1 })
  const parked = async () =>
    (await queries.query<{ id: string }>('select id from runs where trajectory_id = $1 and lease is null', [id])).length
  while ((await parked()) === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  await lookAt(task, id)
  await jetty.leaks.check({ databaseUrl: jetty.database.url })
  await queries.query(`update steps set started_at = now() - interval '2 hours' where ended_at is null`)
  await queries.query('update runs set wake_at = now() where trajectory_id = $1', [id])
  await queries.close()
  const document = await jetty.until(task, id, ({ ended }) => ended !== null)
  expect(document).toMatchObject({ status: 'completed', steps: { echo: { outputs: { text: { once: '***' } } } } })
  await lookAt(task, id)
})

test('a run that is cancelled while it still has its secrets', async () => {
  const task = await jetty.task(workflow)
  const { trajectory_id: id } = (await jetty.call('POST', `/api/v1/run/acme/${task}`, form(30))).body
  await jetty.until(task, id, ({ steps }) => steps.nap?.status === 'running')
  await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
  const document = await jetty.until(task, id, ({ ended }) => ended !== null)
  expect(document.status).toBe('cancelled')
  await lookAt(task, id)
})

test('what is refused, and what is written about the collection', async () => {
  const bad = { environment_variables: { 'not a name': 'refused-Bz5-variable-881', GOOD: 'refused-Bz5-variable-882' } }
  expect((await jetty.call('PATCH', '/api/v1/collections/acme/environment', bad)).status).toBe(422)
  const task = await jetty.task({ ...workflow, steps: ['echo'] })
  const refused = { init_params: [], secret_params: { ONE: 'refused-Bz5-secret-883' } }
  expect((await jetty.call('POST', `/api/v1/run/acme/${task}`, refused)).status).toBe(422)
  const changed = { environment_variables: { PLAIN: 'variable-Hq2-changed-9034', LINES: null } }
  expect((await jetty.call('PATCH', '/api/v1/collections/acme/environment', changed)).status).toBe(200)
  const made = { name: 'second', environment_variables: { OTHER: 'variable-Hq2-other-9035' } }
  expect((await jetty.call('POST', '/api/v1/collections', made)).status).toBe(200)
  const key = await jetty.call('POST', '/api/v1/api-keys', { name: 'k', collection_name: 'acme' })
  expect((await jetty.call('GET', '/api/v1/auth/whoami', undefined, key.body.api_key)).status).toBe(200)
  for (const path of [
    '/api/v1/collections',
    '/api/v1/collections/acme',
    '/api/v1/collections/acme/environment',
    '/api/v1/collections/acme/audit',
    '/api/v1/audit',
    '/api/v1/api-keys/collection/acme',
    '/api/v1/tasks/search?q=echo',
    `/api/v1/tasks/acme/${task}/history?include_changeset=true`,
    '/metrics',
  ]) {
    expect([path, (await jetty.call('GET', path)).status]).toEqual([path, 200])
  }
})
