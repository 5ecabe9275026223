import { afterAll, beforeAll, expect, test } from 'vitest'
import { removeOldRuns } from '../../../src/store/collections/retention.ts'
import { wrongTotals } from '../../kept-totals.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const workflow = (steps: string[]) => ({
  init_params: {},
  step_configs: Object.fromEntries(
    steps.map((name) => [name, { activity: 'save_text_file', text: 'x'.repeat(70_000), filename: 'kept.txt' }]),
  ),
  steps,
})

const keep = (retention_days: number | null) =>
  jetty.call('PATCH', '/api/v1/collections/acme/settings', { retention_days })
const clean = () => removeOldRuns(jetty.server.database, { objects: jetty.server.objects })
const count = async (from: string): Promise<number> =>
  (await jetty.server.database.query<{ n: number }>(`select count(*) as n from ${from}`))[0]?.n ?? -1
const runs = "runs where name like 'acme/%'"
const age = (task: string, days: number, which = 'true') =>
  jetty.server.database.query(
    `update runs r set created_at = r.created_at - $2 * interval '1 day', started_at = r.started_at - $2 * interval '1 day',
       ended_at = r.ended_at - $2 * interval '1 day'
     from tasks t where t.id = r.task_id and t.name = $1 and ${which}`,
    [task, days],
  )

test('runs that ended long enough ago are removed with steps, files, labels and their part of every number', async () => {
  const task = await jetty.task(workflow(['one', 'two']))
  const ids: string[] = []
  for (let i = 0; i < 3; i++) {
    const { workflow_id } = await jetty.start(task)
    ids.push(workflow_id.split('--').at(-1))
    await jetty.until(task, ids.at(-1) as string, (run) => run.status === 'completed')
  }
  const [oldest, second] = ids as [string, string, string]
  const label = (id: string, value: string) =>
    jetty.call('POST', `/api/v1/trajectory/acme/${task}/${id}/labels`, { key: 'grade', value, author: 'me' })
  expect((await label(oldest, 'good')).status).toBeLessThan(300)
  await label(second, 'bad')
  const [before] = [await count('files')]
  await age(task, 40, `r.trajectory_id = '${oldest}'`)

  await clean()
  expect(await count(runs)).toBe(3) // nothing is removed by itself
  await keep(41)
  await clean()
  expect(await count(runs)).toBe(3)
  await keep(30)
  await clean()
  expect((await jetty.call('GET', `/api/v1/db/trajectory/acme/${task}/${oldest}`)).status).toBe(404)
  expect((await jetty.get(task, second)).status).toBe('completed')
  expect([
    await count(runs),
    await count(`steps where run_id in (select id from ${runs})`),
    await count('files'),
  ]).toEqual([2, 4, before - 2])
  expect(await count('payloads where run_id not in (select id from runs)')).toBe(0)
  expect(await count("label_counts where value = 'good'")).toBe(0)
  const list = (await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)).body
  expect([list.total, list.trajectories.length]).toEqual([2, 2])
  const wrong = await wrongTotals((text) => jetty.server.database.query(text))
  // Aged by the test: no server changes the day on which a run has ended.
  expect(wrong.filter((line) => !line.includes(', duration '))).toEqual([])
  await keep(null)
})

test('a run that is still open stays, however old, and so do those of collections that keep everything', async () => {
  const sleeper = await jetty.task({
    init_params: {},
    step_configs: { nap: { activity: 'sleep', seconds: 3600 } },
    steps: ['nap'],
  })
  await jetty.start(sleeper)
  await age(sleeper, 400)
  await keep(1)
  await clean()
  expect(await count('runs where ended_at is null')).toBe(1)
  await keep(null)
})

test('a run stays while one of its children is open', async () => {
  const [parent, child] = [await past(2), await past(1)]
  await jetty.server.database.query(
    `update runs set parent_id = $1, parent_seq = 0, child_index = 0, ended_at = null, status = 'running' where id = $2`,
    [`${parent}-2`, `${child}-1`],
  )
  for (const [retention, days] of [
    [null, 1],
    [{ runs: 1, bytes: 1 }, null],
  ] as const) {
    await rules(retention, days)
    await clean()
    expect(await left(parent)).toContain(2)
  }
  await rules(null)
  await jetty.server.database.query('delete from runs where id = $1', [`${child}-1`])
})

test('more runs than go in one piece are removed, of deleted tasks too', async () => {
  const task = await jetty.task(workflow([]))
  await jetty.server.database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, created_at, ended_at)
     select 'old-' || n, lpad(to_hex(n), 8, '0'), 'acme-x--' || lpad(to_hex(n), 8, '0'), t.collection_id, t.id,
       'acme/' || t.name, t.definition, '{}', 'me', 'completed', now() - interval '9 days', now() - interval '9 days'
     from tasks t, generate_series(1, 1200) n where t.name = $1`,
    [task],
  )
  await jetty.call('DELETE', `/api/v1/tasks/acme/${task}`)
  await keep(8)
  await clean()
  expect(await count("runs where id like 'old-%'")).toBe(0)
  await keep(null)
})

/** Puts runs of a task into the database, the nth of them so many days old. */
const past = async (count: number) => {
  const task = await jetty.task(workflow([]))
  await jetty.server.database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, created_at, ended_at)
     select t.name || '-' || n, lpad(to_hex(t.id * 1000 + n), 8, '0'), 'w', t.collection_id, t.id, 'acme/' || t.name, t.definition,
       repeat('x', 1000), 'me', 'completed', now() - n * interval '1 day', now() - n * interval '1 day'
     from tasks t, generate_series(1, $2) n where t.name = $1`,
    [task, count],
  )
  return task
}
const left = async (task: string) =>
  (
    await jetty.server.database.query<{ n: string }>(
      `select split_part(id, '-', 2) as n from runs where name = $1 order by created_at desc`,
      [`acme/${task}`],
    )
  ).map(({ n }) => Number(n))
const rules = (retention: unknown, retention_days: number | null = null) =>
  jetty.call('PATCH', '/api/v1/collections/acme/settings', { retention, retention_days })
const label = (task: string, n: number, key: string, value: string) =>
  jetty.server.database.query(
    `insert into labels (run_id, task_id, collection_id, key, author, value, run_created_at, run_number)
     select id, task_id, collection_id, $2, 'me', $3, created_at, number from runs where id = $1`,
    [`${task}-${n}`, key, value],
  )

test('runs go by age, number, size and label, and a preview says which before', async () => {
  const [nightly, other] = [await past(10), await past(10)]
  await label(nightly, 9, 'golden', 'yes')
  await label(other, 2, 'env', 'test')
  await label(other, 3, 'env', 'live')
  await rules(
    {
      runs: 8,
      keep_labels: ['golden'],
      labels: { 'env:test': { days: 1 } },
      tasks: { [nightly]: { days: 5, runs: 4 } },
    },
    7,
  )
  const seen = (await jetty.call('POST', '/api/v1/collections/acme/retention/preview', {})).body
  const of = (task: string) => seen.tasks.find((one: { task: string }) => one.task === task)
  expect(of(nightly)).toMatchObject({ runs: 5, by_days: 5, by_runs: 0, by_label: 0 }) // 5, 6, 7, 8, 10
  expect(of(other)).toMatchObject({ runs: 5, by_days: 4, by_runs: 0, by_label: 1, bytes: 5000 })
  expect(seen).toMatchObject({ runs: 10, is_complete: true })
  const tried = { retention_days: null, retention: { runs: 9, labels: null, tasks: { [nightly]: null } } }
  const other9 = (await jetty.call('POST', '/api/v1/collections/acme/retention/preview', tried)).body
  expect(other9.tasks.map((one: { task: string; runs: number; by_runs: number }) => [one.task, one.by_runs])).toEqual([
    [nightly, 1],
    [other, 1],
  ])
  expect([(await left(nightly)).length, (await left(other)).length]).toEqual([10, 10])

  await clean()
  expect([await left(nightly), await left(other)]).toEqual([
    [1, 2, 3, 4, 9],
    [1, 3, 4, 5, 6],
  ])
  await rules({ runs: null, labels: null, tasks: { [nightly]: null, [other]: { bytes: 2500 } } })
  await clean()
  expect([await left(nightly), await left(other)]).toEqual([
    [1, 2, 3, 4, 9],
    [1, 3],
  ])
  await rules(null)
})

test.each([
  [{ runs: 0 }, 'runs'],
  [{ labels: { ':x': { days: 1 } } }, 'labels'],
  [{ tasks: { 'a/b': { days: 1 } } }, 'tasks'],
  [{ keep: ['x'] }, 'retention'],
])('the rules %j are refused', async (retention, field) => {
  const { status, body } = await rules(retention)
  expect([status, JSON.stringify(body)]).toMatchObject([422, expect.stringContaining(field)])
})
