// What lists of tasks and collections say beside names, and statistics by day.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
const echo = { activity: 'text_echo', text: 'x' }

beforeAll(async () => {
  jetty = await startTestServer()
  await jetty.run({ step_configs: { a: echo, b: echo }, steps: ['a', 'b'] })
  const gate = await jetty.task({
    step_configs: { a: { activity: 'wait_for_approval', message: 'On?' } },
    steps: ['a'],
  })
  const { trajectory_id: id } = await jetty.start(gate)
  await jetty.until(gate, id, (run) => run.waiting !== null)
  for (const [at, status] of ['completed', 'failed', 'failed'].entries()) {
    await jetty.call('POST', '/api/v1/trajectories/acme/sent/ingest', {
      trajectory_id: `run-${at}`,
      status,
      created: `2026-01-0${at + 1}T10:00:00Z`,
      completed: `2026-01-0${at + 1}T10:00:10Z`,
    })
  }
  await jetty.call('POST', '/api/v1/collections', { name: 'empty' })
  const [acme] = await jetty.server.database.query<{ id: number }>(`select id from collections where name = 'acme'`)
  const [sent] = await jetty.server.database.query<{ id: number }>(`select id from tasks where name = 'sent'`)
  await jetty.server.database.query(
    `insert into spending (collection_id, day, task_id, model, shard, usd, tokens, calls) values
       (${acme?.id}, '2026-01-01', ${sent?.id}, 'openai/a', 0, 0.5, 100, 2),
       (${acme?.id}, '2026-01-01', ${sent?.id}, 'openai/b', 1, 0.25, 50, 1),
       (${acme?.id}, '2026-01-03', 0, 'openai/a', 0, 1, 10, 1),
       (${acme?.id}, (now() at time zone 'utc')::date, 0, 'openai/a', 0, 2, 10, 1)`,
  )
})
afterAll(() => jetty?.close())

test('the tasks of a collection, without workflows', async () => {
  const { body } = await jetty.call('GET', '/api/v1/tasks/acme?view=summary')
  const byName = new Map<string, Body>(body.map((task: Body) => [task.name, task]))
  expect(body.every((task: Body) => task.workflow === undefined)).toBe(true)
  expect(byName.get('t1')).toMatchObject({ kind: 'workflow', steps: 2, runs: { total: 1, waiting: 0 } })
  expect(byName.get('t2')).toMatchObject({ steps: 1, runs: { waiting: 1, by_status: { running: 1 } } })
  expect(byName.get('sent')).toMatchObject({
    runs: { total: 3, by_status: { completed: 1, failed: 2 }, last: { trajectory_id: 'run-2', status: 'failed' } },
  })
  expect(byName.get('sent').runs.last.created).toBe('2026-01-03T10:00:00.000000Z')
  const full = await jetty.call('GET', '/api/v1/tasks/acme')
  expect(full.body[0].workflow.steps).toEqual(['a', 'b'])
})

test('collections', async () => {
  const { body } = await jetty.call('GET', '/api/v1/collections?view=summary')
  const [acme, empty] = ['acme', 'empty'].map((name) => body.find((one: Body) => one.name === name))
  expect(acme).toMatchObject({
    tasks: 3,
    cost_usd_7_days: 2,
    model_calls_7_days: 1,
    runs: { total: 5, waiting: 1, by_status: { failed: 2, completed: 2, running: 1 } },
  })
  expect(empty).toMatchObject({ tasks: 0, cost_usd_7_days: 0, runs: { total: 0, last: null } })
})

describe('statistics over days', () => {
  const stats = async (search: string): Promise<Body> => (await jetty.call('GET', `/api/v1/stats/acme?${search}`)).body
  const january = 'from=2026-01-01&to=2026-01-31'

  test('by day', async () => {
    const { rows, totals } = await stats(january)
    expect(rows.map(({ key }: Body) => key)).toEqual(['2026-01-01', '2026-01-02', '2026-01-03'])
    expect(rows[0]).toMatchObject({
      runs: { total: 1, by_status: { completed: 1, failed: 0 } },
      cost_usd: 0.75,
      tokens: 150,
      calls: 3,
    })
    expect(rows[0].p50_duration_seconds).toBeCloseTo(10, 0)
    expect(totals).toMatchObject({ runs: { total: 3, by_status: { failed: 2 } }, cost_usd: 1.75 })
  })

  test('by model and by task', async () => {
    expect((await stats(`${january}&by=model`)).rows).toMatchObject([
      { key: 'openai/a', cost_usd: 1.5, runs: null },
      { key: 'openai/b', cost_usd: 0.25, tokens: 50 },
    ])
    const byTask = await stats(`${january}&by=task&task=sent`)
    expect(byTask.rows).toMatchObject([{ key: 'sent', runs: { total: 3 }, cost_usd: 0.75 }])
  })

  test('the last thirty days, where none are named', async () => {
    const { from, to, totals } = await stats('')
    expect(Date.parse(to) - Date.parse(from)).toBe(29 * 24 * 3_600_000)
    expect(totals).toMatchObject({ runs: { total: 1 }, cost_usd: 2 })
  })

  test('follow a run whose status is changed, or that is sent in again', async () => {
    await jetty.call('POST', '/api/v1/trajectory/acme/sent/statuses', { 'run-1': 'archived' })
    await jetty.call('POST', '/api/v1/trajectories/acme/sent/ingest', {
      trajectory_id: 'run-2',
      status: 'completed',
      created: '2026-01-05T10:00:00Z',
      completed: '2026-01-05T10:00:10Z',
    })
    const { rows } = await stats(`${january}&task=sent`)
    expect(rows.find(({ key }: Body) => key === '2026-01-02').runs.by_status).toMatchObject({ archived: 1, failed: 0 })
    expect(rows.find(({ key }: Body) => key === '2026-01-05').runs.by_status).toMatchObject({ completed: 1 })
    expect(rows.find(({ key }: Body) => key === '2026-01-03')).toBeUndefined()
  })

  test.each(['from=2026-02-01&to=2026-01-01', 'from=2020-01-01', 'by=hour'])('refuse %s', async (search) => {
    expect((await jetty.call('GET', `/api/v1/stats/acme?${search}`)).status).toBe(422)
  })
})
