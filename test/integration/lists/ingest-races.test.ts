import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { ingesting } from './ingesting.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const { api, ingest, get, stats, pairs, freshTask } = ingesting(() => jetty)

describe('many at the same time', () => {
  test('with one id: one run, nothing doubled, and no label of a watcher is lost', async () => {
    const task = freshTask()
    const push = (at: number) =>
      ingest(task, {
        output: at,
        status: at % 3 === 0 ? 'failed' : 'completed',
        scores: { a: at },
        trajectory_id: 'pushed',
        created: '2026-01-01T00:00:00Z',
        completed: `2026-01-01T00:00:${String(10 + at)}Z`,
      })
    const label = (at: number) =>
      api('POST', `/trajectory/acme/${task}/pushed/labels`, { key: `grade.${at}`, value: 'good', author: 'watcher' })
    const pushes = Array.from({ length: 20 }, (_, at) => push(at))
    await pushes[0]
    const labels = Array.from({ length: 20 }, (_, at) => label(at))
    const answers = await Promise.all([...pushes, ...labels])
    expect(answers.map((answer) => answer.status)).toEqual(Array(40).fill(200))
    const shown = await get(task, 'pushed')
    const watcher = shown.labels.filter((one: Body) => one.author === 'watcher')
    expect(watcher.map((one: Body) => one.key).sort()).toEqual(
      Array.from({ length: 20 }, (_, at) => `grade.${at}`).sort(),
    )
    const { output } = shown.steps.eval.outputs
    const own = shown.labels.filter((one: Body) => one.author === 'ingest')
    expect(pairs(own)).toEqual([['score.a', String(output), 'ingest']])
    expect([shown.status, shown.duration_seconds]).toEqual([output % 3 === 0 ? 'failed' : 'completed', 10 + output])
    const counted = await stats(task)
    expect(counted).toMatchObject({
      total: 1,
      avg_duration_seconds: 10 + output,
      steps: { eval: { count: 1, failed: output % 3 === 0 ? 1 : 0 } },
      labels: { 'score.a': { [output]: 1 } },
    })
    const all = Object.values(counted.by_status as Record<string, number>)
    expect(all.reduce((sum, one) => sum + one, 0)).toBe(1)
    expect((await api('GET', `/db/trajectories/acme/${task}`)).body.total).toBe(1)
  })

  test('with ids of their own, into a task that is not there yet: all are there', async () => {
    const task = freshTask()
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, at) => ingest(task, { output: at, scores: { a: at % 3 } })),
    )
    expect(answers.map((answer) => answer.status)).toEqual(Array(60).fill(200))
    expect(new Set(answers.map((answer) => answer.body.trajectory_id)).size).toBe(60)
    const list = (await api('GET', `/db/trajectories/acme/${task}?limit=100`)).body
    expect([list.total, list.trajectories.length]).toEqual([60, 60])
    expect((await stats(task)).labels).toEqual({ 'score.a': { 0: 20, 1: 20, 2: 20 } })
  })
})

test('goes with its collection, while more is being sent in', async () => {
  await api('POST', '/collections', { name: 'leaving' })
  const push = () => api('POST', '/trajectories/leaving/x/ingest', { input: 'x'.repeat(80_000), labels: { a: 'b' } })
  await push()
  const pushes = Array.from({ length: 30 }, push)
  expect((await api('DELETE', '/collections/leaving')).status).toBe(204)
  for (const { status } of await Promise.all(pushes)) expect([200, 404]).toContain(status)
  const left = await jetty.server.database.query<Body>(
    `select (select count(*) from runs where name like 'leaving/%') runs,
       (select count(*) from steps s where not exists (select from runs r where r.id = s.run_id)) steps,
       (select count(*) from payloads p where not exists (select from runs r where r.id = p.run_id)) payloads,
       (select count(*) from labels l where not exists (select from runs r where r.id = l.run_id)) labels,
       (select count(*) from label_counts c where not exists (select from tasks t where t.id = c.task_id)) label_counts,
       (select count(*) from run_counts c where not exists (select from tasks t where t.id = c.task_id)) run_counts,
       (select count(*) from run_totals c where not exists (select from tasks t where t.id = c.task_id)) run_totals`,
  )
  expect(left).toEqual([{ runs: 0, steps: 0, payloads: 0, labels: 0, label_counts: 0, run_counts: 0, run_totals: 0 }])
})

describe('repeated with its Idempotency-Key', () => {
  const once = async (task: string, key: string, body: unknown) => {
    const response = await fetch(`${jetty.url}/api/v1/trajectories/acme/${task}/ingest`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: {
        authorization: `Bearer ${jetty.server.adminToken}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
    })
    return { status: response.status, text: await response.text() }
  }

  test('one without an id is recorded once, by many at the same time and before there is a task', async () => {
    const task = freshTask()
    const body = { output: 1, scores: { a: 1 } }
    const answers = await Promise.all(Array.from({ length: 10 }, () => once(task, 'k', body)))
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect(answers[0]?.status).toBe(200)
    expect((await stats(task)).total).toBe(1)
    expect((await once(task, 'k', { scores: { a: 1 }, output: 1 })).text).toBe(answers[0]?.text)
    expect((await once(task, 'k', { ...body, output: 2 })).status).toBe(409)
    expect((await once(task, 'other', body)).status).toBe(200)
    expect((await stats(task)).total).toBe(2)
  })

  test('what is refused uses up no key', async () => {
    const task = freshTask()
    const labels = Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [`l${at}`, 'x']))
    expect((await once(task, 'k', { labels })).status).toBe(422)
    expect((await once(task, 'k', { output: 1 })).status).toBe(200)
  })
})
