// A paused collection: steps under way end, accepted runs wait, new work is refused. Nothing is lost, and others go on.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { act, does, forget, open, seen } from '../runs/acting.ts'

let jetty: TestServer
let worker: TestServer
let key: string
let clockMs = Date.now()
beforeAll(async () => {
  jetty = await startTestServer({
    activities: [act],
    beatMs: 100,
    clock: () => clockMs,
    env: { JETTY_DRAIN_SECONDS: '0' },
  })
  worker = await startTestServer({ activities: [act], beside: jetty, beatMs: 100, env: { JETTY_DRAIN_SECONDS: '0' } })
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'ada', collection_name: 'acme' })).body.api_key
})
afterAll(async () => {
  await worker?.close()
  await jetty?.close()
})
beforeEach(forget)

const pause = (body?: object, token?: string) => jetty.call('POST', '/api/v1/collections/acme/pause', body, token)
const resume = (token?: string) => jetty.call('POST', '/api/v1/collections/acme/resume', undefined, token)
const twoSteps = (gate: string) => ({
  init_params: {},
  step_configs: { first: does({ gate }), second: does() },
  steps: ['first', 'second'],
})
const ended = (task: string, id: string) => jetty.until(task, id, ({ ended: at }) => at !== null)
const effects = (name: string) => seen.effects.filter((one) => one === name).length
const heldRuns = async () =>
  (
    await jetty.server.database.query<{ held: number }>(
      `select count(*)::int as held from runs where wake_at = 'infinity' and lease is null and ended_at is null`,
    )
  )[0]?.held

test('a step under way ends, the next one waits for the resume, and new runs and calls are refused with the reason', async () => {
  const task = await jetty.task(twoSteps('a'))
  const { trajectory_id: id } = await jetty.start(task)
  await expect.poll(() => effects('first')).toBe(1)
  const paused = await pause({ reason: 'the invoices are wrong' }, key)
  expect(paused).toMatchObject({
    status: 200,
    body: { paused: true, pauses: [{ by: 'key', author: 'api-key:ada', reason: 'the invoices are wrong' }] },
  })
  const refusals = [
    await jetty.call('POST', `/api/v1/run/acme/${task}`, new FormData()),
    await jetty.call('POST', `/api/v1/run-sync/acme/${task}`, new FormData()),
    await jetty.call('POST', `/api/v1/run-batch/acme/${task}`, { items: [{}, {}] }),
    await worker.call('POST', `/api/v1/run/acme/${task}`, new FormData()),
  ]
  for (const { status, body, headers } of refusals) {
    expect([status, headers.get('x-should-retry')], JSON.stringify(body)).toEqual([409, 'false'])
    expect(JSON.stringify(body)).toContain('paused by api-key:ada: the invoices are wrong')
  }
  const call = await jetty.call(
    'POST',
    '/v1/chat/completions',
    { model: 'scripted/echo', messages: [{ role: 'user', content: 'hello' }] },
    key,
  )
  expect(call).toMatchObject({ status: 409, body: { error: { code: 'paused' } } })
  open.add('a')
  await expect.poll(heldRuns).toBe(1)
  expect(await jetty.get(task, id)).toMatchObject({ status: 'running', steps: { first: { status: 'completed' } } })
  expect(effects('second')).toBe(0)
  expect((await resume(key)).body).toEqual({ paused: false, pauses: [] })
  expect((await ended(task, id)).status).toBe('completed')
  expect([effects('first'), effects('second')]).toEqual([1, 1])
})

test('runs that were queued wait too, and can be cancelled; steps side by side as well', async () => {
  const task = await jetty.task({ ...twoSteps('b'), execution: 'parallel' } as never)
  await pause()
  open.add('b')
  // A run of before: it is accepted while this process does not know of the pause yet.
  await jetty.server.database.query('alter table collections disable trigger paused')
  await jetty.server.database.query(`update collections set pauses = null where name = 'acme'`)
  await resume()
  const started = await Promise.all(Array.from({ length: 6 }, () => jetty.start(task)))
  await pause()
  await jetty.server.database.query('alter table collections enable trigger paused')
  const ids = started.map(({ trajectory_id: id }) => id)
  await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [ids[0] ?? '']: 'cancelled' })
  await resume()
  const runs = await Promise.all(ids.map((id) => ended(task, id)))
  expect(runs.slice(1).every(({ status }) => status === 'completed')).toBe(true)
})

test('a fan-out goes on where it stood, and each child runs once', async () => {
  const child = await jetty.task({
    init_params: {},
    step_configs: { work: does({ gate: 'c' }), more: does() },
    steps: ['work', 'more'],
  })
  const task = await jetty.task({
    init_params: { items: Array.from({ length: 12 }, (_, n) => n) },
    step_configs: {
      fan: {
        activity: 'list_emit_await',
        items_path: 'init_params.items',
        child_workflow_name: child,
        max_concurrency: 3,
      },
    },
    steps: ['fan'],
  })
  const { trajectory_id: id } = await jetty.start(task)
  await expect.poll(() => effects('work')).toBe(3)
  await pause()
  open.add('c')
  const children = async () =>
    (await jetty.server.database.query('select from runs where parent_id is not null and name = $1', [`acme/${child}`]))
      .length
  const made = await children()
  await expect.poll(heldRuns).toBe(made)
  expect(effects('more')).toBe(0)
  expect(await children()).toBe(made)
  await resume()
  expect((await ended(task, id)).status).toBe('completed')
  expect([effects('work'), effects('more'), await children()]).toEqual([12, 12, 12])
})

test('a pause outlives the process: another one takes its runs, and waits as well', async () => {
  const task = await jetty.task(twoSteps('d'))
  const { trajectory_id: id } = await jetty.start(task)
  await expect.poll(() => effects('first')).toBe(1)
  await pause()
  open.add('d')
  await expect.poll(heldRuns).toBe(1)
  const third = await startTestServer({ activities: [act], beside: jetty, env: { JETTY_DRAIN_SECONDS: '0' } })
  expect((await third.call('POST', `/api/v1/run/acme/${task}`, new FormData())).status).toBe(409)
  await third.close()
  expect(effects('second')).toBe(0)
  await resume()
  expect((await ended(task, id)).status).toBe('completed')
})

test('a routine waits for the resume, and fires then', async () => {
  const task = await jetty.task({ init_params: {}, step_configs: { tick: does() }, steps: ['tick'] })
  const hourly = { name: 'r', cadence: { type: 'hourly' } }
  const made = await jetty.call('POST', `/api/v1/routines/acme/${task}`, hourly)
  expect(made.status, JSON.stringify(made.body)).toBe(201)
  await pause()
  clockMs = Date.parse(made.body.next_run_at) + 1_000
  await expect
    .poll(
      async () =>
        (await jetty.server.database.query<{ waiting: Date[] }>('select waiting from routines'))[0]?.waiting.length,
    )
    .toBe(1)
  expect(effects('tick')).toBe(0)
  const { body: metrics } = await jetty.call('GET', '/metrics')
  expect(metrics).toMatch(/^jetty_routine_fires_waiting 1$/m)
  expect(metrics).toMatch(/^jetty_collections_paused 1$/m)
  await resume()
  await expect.poll(() => effects('tick'), { timeout: 10_000 }).toBe(1)
})

test('a pause of the operator ends only with the admin token; each side has its own, and reading keys change none', async () => {
  const reader = (
    await jetty.call('POST', '/api/v1/api-keys', { name: 'reads', collection_name: 'acme', access_level: 'READ' })
  ).body.api_key
  expect((await pause({}, reader)).status).toBe(403)
  await pause({ reason: 'costs' })
  expect(await resume(key)).toMatchObject({
    status: 403,
    body: { detail: expect.stringContaining('The operator of the server paused the collection: costs') },
  })
  await pause({}, key)
  expect((await resume(key)).body).toMatchObject({ paused: true, pauses: [{ by: 'operator' }] })
  await pause({}, key)
  expect((await resume()).body).toMatchObject({ paused: true, pauses: [{ by: 'key' }] })
  expect((await jetty.call('GET', '/api/v1/collections/acme/pauses', undefined, reader)).body).toMatchObject({
    paused: true,
  })
  expect((await resume(key)).body).toEqual({ paused: false, pauses: [] })
  const { body: trail } = await jetty.call('GET', '/api/v1/audit?limit=50')
  const operations = (trail.entries ?? trail).map((one: Body) => one.operation)
  expect(operations).toEqual(expect.arrayContaining(['pauseCollection', 'resumeCollection']))
})

test('another collection is not held up', async () => {
  await jetty.call('POST', '/api/v1/collections', { name: 'other' })
  await jetty.call('POST', '/api/v1/tasks/other', {
    name: 'echo',
    workflow: { init_params: {}, step_configs: { a: { activity: 'text_echo', text: 'x' } }, steps: ['a'] },
  })
  await pause()
  expect((await jetty.call('POST', '/api/v1/run-sync/other/echo', new FormData())).body.status).toBe('completed')
  await resume()
})
