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
