import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bucket, percentileError, percentileOf } from '../../../src/store/runs/stats.ts'
import { wrongTotals } from '../../kept-totals.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const echo = { step_configs: { a: { activity: 'text_echo', text: 'x' } }, steps: ['a'] }
/** Ends well or badly, as `from` has a text or not. */
const either = {
  init_params: { text: 'hi' },
  step_configs: {
    first: { activity: 'text_echo', text: 'x' },
    second: { activity: 'text_template', template: '{{x}}', variables_path: 'init_params.from' },
  },
  steps: ['first', 'second'],
}
const nap = (seconds: number) => ({
  step_configs: { greet: { activity: 'text_echo', text: 'x' }, nap: { activity: 'sleep', seconds } },
  steps: ['greet', 'nap'],
})

const query = <Row>(text: string, values?: unknown[]) => jetty.server.database.query<Row>(text, values)
const stats = async (task: string) => (await jetty.call('GET', `/api/v1/db/stats/acme/${task}`)).body
const wrong = () => wrongTotals((text) => query<{ what: string }>(text))
const statuses = (task: string, wanted: Record<string, string>) =>
  jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, wanted)
const startMany = async (task: string, count: number, form: object = {}): Promise<string[]> =>
  (await Promise.all(Array.from({ length: count }, () => jetty.start(task, { ...form })))).map(
    (run) => run.trajectory_id,
  )
const ended = (task: string, ids: string[]) =>
  Promise.all(ids.map((id) => jetty.until(task, id, (run) => run.ended !== null)))
const ingest = (task: string, body: Body) => jetty.call('POST', `/api/v1/trajectories/acme/${task}/ingest`, body)

describe('the answer', () => {
  test('for a task without runs has every field', async () => {
    const task = await jetty.task(echo)
    const answer = await jetty.call('GET', `/api/v1/db/stats/ACME/${task.toUpperCase()}`)
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({
      collection: 'acme',
      task,
      name: `acme/${task}`,
      total: 0,
      total_runs: 0,
      completed: 0,
      failed: 0,
      running: 0,
      by_status: { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0, archived: 0 },
      success_rate: null,
      avg_duration_seconds: null,
      min_duration_seconds: null,
      max_duration_seconds: null,
      p50_duration_seconds: null,
      p95_duration_seconds: null,
      first_run: null,
      last_run: null,
      steps: {},
      labels: {},
    })
  })

  test('has durations from created to ended, steps in the order of the workflow, and labels by their values', async () => {
    const task = await jetty.task({
      ...echo,
      step_configs: { z: echo.step_configs.a, a: echo.step_configs.a },
      steps: ['z', 'a'],
    })
    const ids = await startMany(task, 3)
    const runs = await ended(task, ids)
    for (const [at, value] of ['high', 'high', 'low'].entries()) {
      const label = { key: 'quality', value, author: 'me' }
      await jetty.call('POST', `/api/v1/trajectory/acme/${task}/${ids[at]}/labels`, label)
    }
    const shown = await stats(task)
    const took = runs.map((run) => (Date.parse(run.ended) - Date.parse(run.created)) / 1000)
    expect(shown).toMatchObject({
      total: 3,
      total_runs: 3,
      completed: 3,
      success_rate: 1,
      min_duration_seconds: Math.min(...took),
      max_duration_seconds: Math.max(...took),
      first_run: runs.map((run) => run.created).sort()[0],
      last_run: runs.map((run) => run.created).sort()[2],
      labels: { quality: { high: 2, low: 1 } },
    })
    expect(shown.avg_duration_seconds).toBeCloseTo(took.reduce((sum, one) => sum + one, 0) / 3, 5)
    expect(Object.entries(shown.steps)).toEqual([
      ['z', { count: 3, failed: 0, avg_duration_seconds: expect.any(Number) }],
      ['a', { count: 3, failed: 0, avg_duration_seconds: expect.any(Number) }],
    ])
  })

  test('tells what is running; a deleted task with runs is still answered for, an unknown one is not', async () => {
    const task = await jetty.task(nap(300))
    const [id = ''] = await startMany(task, 1)
    await jetty.until(task, id, (run) => Object.keys(run.steps).length === 2)
    expect(await stats(task)).toMatchObject({ total: 1, running: 1, success_rate: null, p50_duration_seconds: null })
    await statuses(task, { [id]: 'cancelled' })
    await jetty.call('DELETE', `/api/v1/tasks/acme/${task}`)
    expect(await stats(task)).toMatchObject({ task, total: 1, running: 0, by_status: { cancelled: 1, running: 0 } })
    const unknown = await jetty.call('GET', '/api/v1/db/stats/acme/nothing')
    expect([unknown.status, unknown.body.detail]).toEqual([404, "Task 'nothing' in collection 'acme' not found"])
    const nowhere = await jetty.call('GET', '/api/v1/db/stats/nowhere/nothing')
    expect([nowhere.status, nowhere.body.detail]).toEqual([404, "Task 'nothing' in collection 'nowhere' not found"])
  })

  test('shows the first 100 label keys and the 50 most frequent values of each', async () => {
    const task = await jetty.task(echo)
    await query(
      `insert into label_counts (task_id, key, value_md5, value, total)
       select t.id, 'k' || lpad(k::text, 3, '0'), md5(v::text), 'v' || v, v
       from tasks t, generate_series(1, 120) k, generate_series(1, 60) v where t.name = $1`,
      [task],
    )
    const { labels } = await stats(task)
    expect(Object.keys(labels)).toHaveLength(100)
    expect(Object.keys(labels)[99]).toBe('k100')
    expect(Object.entries(labels.k001)).toHaveLength(50)
    expect(labels.k001).toMatchObject({ v60: 60, v11: 11 })
    expect(labels.k001.v10).toBeUndefined()
  })
})

describe('the totals', () => {
  test('are what is in runs and steps after a mixed load', async () => {
    const mixed = await jetty.task(either)
    const [short, long] = [await jetty.task(nap(0.3)), await jetty.task(nap(300))]
    const good = await startMany(mixed, 40, { init_params: { from: { x: 'y' } } })
    const bad = await startMany(mixed, 20, { init_params: { from: 7 } })
    const napping = await startMany(short, 20)
    const parked = await startMany(long, 20)
    await Promise.all(parked.map((id) => jetty.until(long, id, (run) => run.steps.nap !== undefined)))
    await statuses(short, Object.fromEntries(napping.slice(0, 10).map((id) => [id, 'cancelled'])))
    await statuses(
      long,
      Object.fromEntries(parked.slice(0, 15).map((id, at) => [id, at < 8 ? 'cancelled' : 'archived'])),
    )
    await ended(mixed, [...good, ...bad])
    await ended(short, napping)
    await ended(long, parked.slice(0, 15))
    // Relabelled by several at once, some of them twice.
    const again = ['failed', 'archived', 'pending', 'failed']
    await Promise.all(
      again.map((status, at) => statuses(mixed, { [good[at % 3] ?? '']: status, [good[at] ?? '']: status })),
    )
    expect(await wrong()).toEqual([])
    const shown = await stats(mixed)
    const real = await query<{ status: string; total: number }>(
      'select status, count(*) total from runs r join tasks t on t.id = r.task_id where t.name = $1 group by status',
      [mixed],
    )
    expect(
      Object.entries(shown.by_status)
        .filter(([, total]) => total !== 0)
        .sort(),
    ).toEqual(real.map(({ status, total }) => [status, total]).sort())
    expect(shown.total).toBe(60)
    expect(shown.steps).toMatchObject({ first: { count: 60, failed: 0 }, second: { count: 60, failed: 20 } })
    expect(await stats(long)).toMatchObject({ total: 20, running: 5, by_status: { cancelled: 8, archived: 7 } })
  })

  test('count a run that was sent in twice once, and by its last version', async () => {
    const task = await jetty.task(echo)
    const times = (seconds: number) => ({
      created: '2026-01-01T00:00:00Z',
      completed: new Date(Date.UTC(2026, 0, 1, 0, 0, seconds)).toISOString(),
    })
    await ingest(task, { trajectory_id: 'one', status: 'failed', ...times(500) })
    await ingest(task, { trajectory_id: 'two', ...times(4) })
    await ingest(task, { trajectory_id: 'one', ...times(2) })
    expect(await wrong()).toEqual([])
    const shown = await stats(task)
    expect(shown).toMatchObject({ total: 2, completed: 2, failed: 0, avg_duration_seconds: 3, min_duration_seconds: 2 })
    expect(shown.max_duration_seconds).toBeLessThanOrEqual(4 * 1.1)
    expect(shown.steps).toEqual({ eval: { count: 2, failed: 0, avg_duration_seconds: 3 } })
  })

  test('go with the collection', async () => {
    await jetty.call('POST', '/api/v1/collections', { name: 'gone' })
    await jetty.call('POST', '/api/v1/tasks/gone', { name: 't', workflow: echo })
    const answer = await jetty.call('POST', '/api/v1/run-sync/gone/t', {})
    expect(answer.status).toBe(200)
    const [task] = await query<{ id: number }>(
      'select t.id from tasks t join collections c on c.id = t.collection_id where c.name = $1',
      ['gone'],
    )
    const left = async () =>
      query(
        `select 1 from run_totals where task_id = $1 union all select 1 from duration_totals where task_id = $1
         union all select 1 from step_totals where task_id = $1 union all select 1 from run_counts where task_id = $1`,
        [task?.id],
      )
    expect((await left()).length).toBeGreaterThanOrEqual(4)
    expect((await jetty.call('DELETE', '/api/v1/collections/gone')).status).toBe(204)
    expect(await left()).toEqual([])
    expect(await wrong()).toEqual([])
  })
})

describe('a percentile from the histogram', () => {
  test('is as near to the exact one as promised', async () => {
    expect(percentileError).toBeLessThan(0.05)
    const duration = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 100_000_000 }))
    const durations = fc.array(duration, { minLength: 1, maxLength: 200 })
    await fc.assert(
      fc.asyncProperty(durations, fc.double({ min: 0.01, max: 1, noNaN: true }), async (times, part) => {
        const buckets = await query<Bucket>(
          'select duration_bucket(ms) bucket, count(*) total from unnest($1::bigint[]) ms group by 1 order by 1',
          [times],
        )
        const exact =
          times.toSorted((left, right) => left - right)[Math.max(1, Math.ceil(part * times.length)) - 1] ?? 0
        expect(Math.abs(percentileOf(buckets, part) - exact)).toBeLessThanOrEqual(exact * percentileError * 1.000001)
      }),
    )
  })
})
