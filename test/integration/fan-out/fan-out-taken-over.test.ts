// Fan-outs as somebody finds them whose predecessor died, and cannot go on with: what they had started ends with them.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { act, does, forget, seen } from '../runs/acting.ts'

let api: TestServer
let worker: TestServer
let database: Database

const leaf = {
  init_params: { milliseconds: 60_000 },
  step_configs: { work: does({ milliseconds_path: 'init_params.milliseconds' }) },
  steps: ['work'],
}
const fan = (task: string) => ({ activity: 'list_emit_await', items_path: 'init_params.items', child_task_name: task })

interface Found {
  task: string
  id: string
  /** Of its runs, in the order of the items. */
  below: { task: string; id: string }[]
}
const found = new Map<string, Found>()

/** Leaves a run whose first step has begun, and waits for runs that are there. */
const leave = async (
  name: string,
  given: {
    workflow: object
    items: unknown[]
    children: number
    deaths?: number
    begun?: string[]
    child?: string
    seq?: number
    params?: object
  },
): Promise<void> => {
  const [task, child] = [await api.task(given.workflow as never), given.child ?? found.get('leaf')?.task ?? '']
  const { trajectory_id: id } = await api.start(task, { init_params: { items: given.items } })
  await database.query(`update runs set status = 'running', deaths = $2, started_at = now() where trajectory_id = $1`, [
    id,
    given.deaths ?? 0,
  ])
  await database.query(
    `insert into steps (run_id, task_id, seq, name, status, attempt, inputs, epoch, started_at, wake_at)
     select id, task_id, s.seq - 1, s.name, 'running', 1, '{}', 0, now(), case when s.name = 'fan' then now() end
     from runs, unnest($2::text[]) with ordinality s(name, seq) where trajectory_id = $1`,
    [id, given.begun ?? ['fan']],
  )
  const below: Found['below'] = []
  for (let index = 0; index < given.children; index++) {
    const { trajectory_id: childId } = await api.start(child, { init_params: given.params ?? {} })
    await database.query(
      `update runs c set parent_id = p.id, parent_seq = $4, child_index = $3, depth = 1
       from runs p where p.trajectory_id = $1 and c.trajectory_id = $2`,
      [id, childId, index, given.seq ?? 0],
    )
    below.push({ task: child, id: childId })
  }
  found.set(name, { task, id, below })
}

/** Leaves a step that has recorded the version of its task, and no run yet; its tag moves afterwards. */
const leaveAtVersion = async (): Promise<void> => {
  const saying = (text: string) => ({
    init_params: {},
    step_configs: { say: { activity: 'text_template', template: text } },
    steps: ['say'],
  })
  const task = await api.task(saying('old'))
  const sequential = { init_params: { items: [] }, step_configs: { fan: fan(`${task}@stable`) }, steps: ['fan'] }
  await api.call('PUT', `/api/v1/tasks/acme/${task}/tags/stable`, { version: '0' })
  await leave('at a version', { workflow: sequential, items: [1], children: 0 })
  const attributes = { written: `${task}@stable`, ref: 'stable', index: 0 }
  const kept = { timestamp: '2026-12-04T08:00:00Z', level: 'info', type: 'task_version', message: 'kept', attributes }
  await database.query('update steps set warnings = $2 where run_id = (select id from runs where trajectory_id = $1)', [
    found.get('at a version')?.id,
    JSON.stringify([kept]),
  ])
  await api.call('PUT', `/api/v1/tasks/acme/${task}`, { workflow: saying('new') })
  await api.call('PUT', `/api/v1/tasks/acme/${task}/tags/stable`, { version: '1' })
}

beforeAll(async () => {
  api = await startTestServer({ activities: [act], env: { JETTY_ROLE: 'api' } })
  database = openDatabase(api.database.url, { connections: 1 })
  const task = await api.task(leaf)
  found.set('leaf', { task, id: '', below: [] })
  const sequential = { init_params: { items: [] }, step_configs: { fan: fan(task) }, steps: ['fan'] }
  const parallel = {
    init_params: { items: [] },
    execution: 'parallel',
    step_configs: { fan: fan(task), kills: does() },
    steps: ['fan', 'kills'],
  }
  await leave('refused', { workflow: sequential, items: ['x'.repeat(3_000)], children: 1 })
  await leave('given up', { workflow: parallel, items: [1], children: 1, deaths: 10, begun: ['fan', 'kills'] })
  await leave('failed before', { workflow: sequential, items: [1, 2, 3], children: 1 })
  await database.query(
    `update runs set status = 'failed', error = 'no luck', ended_at = now() where trajectory_id = $1`,
    [found.get('failed before')?.below[0]?.id],
  )
  const quick = await api.task({
    init_params: { milliseconds: 100 },
    step_configs: { quick: does({ milliseconds_path: 'init_params.milliseconds' }) },
    steps: ['quick'],
  })
  const sharing = { ...fan(quick), max_concurrency: 2, share_concurrency: true }
  const shared = {
    init_params: { items: [] },
    execution: 'parallel',
    step_configs: { fan: sharing, fan2: sharing },
    steps: ['fan', 'fan2'],
  }
  await leave('shared', {
    workflow: shared,
    items: [1, 2, 3],
    children: 2,
    begun: ['fan', 'fan2'],
    child: quick,
    seq: 1,
    params: { milliseconds: 1_500 },
  })
  await database.query(
    `update leases set share = 1
     where id in (select lease from runs where parent_id = (select id from runs where trajectory_id = $1))`,
    [found.get('shared')?.id],
  )
  await leaveAtVersion()
  forget()
  worker = await startTestServer({
    activities: [act],
    beside: api,
    env: { JETTY_MAX_INIT_PARAMS_BYTES: '2000', JETTY_PARALLEL_STEPS: '1' },
  })
})
afterAll(async () => {
  await worker?.close()
  await database?.close()
  await api?.close()
})

it.each([
  ['refused', /larger than the limit of init_params/],
  ['given up', /The process died 10 times/],
])('%s: the runs below it end', async (name, error) => {
  const { task, id, below } = found.get(name) as Found
  const run = await api.until(task, id, ({ ended }) => ended !== null)
  expect(run.status).toBe('failed')
  expect(run.error).toMatch(error)
  for (const one of below) expect((await api.get(one.task, one.id)).status).toBe('cancelled')
})

it('one of its runs had failed: no other one is begun', async () => {
  const { task, id } = found.get('failed before') as Found
  const run = await api.until(task, id, ({ ended }) => ended !== null)
  expect(run.error).toMatch(/1 of 3 runs failed; first: .*no luck/)
  expect(seen.effects.filter((step) => step !== 'quick').length).toBeLessThanOrEqual(2) // those of the other cases alone
  const [made] = await database.query<{ total: number }>(
    'select count(*) as total from runs where parent_id = (select id from runs where trajectory_id = $1)',
    [id],
  )
  expect(made?.total).toBe(1)
})

it('a step shares its bound with runs of another one that does not wait for them yet', async () => {
  const { task, id } = found.get('shared') as Found
  const run = await api.until(task, id, ({ ended }) => ended !== null)
  expect(run.error).toBeNull()
  expect([run.steps.fan.outputs.completed, run.steps.fan2.outputs.completed]).toEqual([3, 3])
  const [most] = await database.query<{ total: number }>(
    `with works as (
       select s.started_at, s.ended_at from steps s join runs r on r.id = s.run_id
       where r.parent_id = (select id from runs where trajectory_id = $1))
     select max((select count(*)::int from works b where b.started_at <= a.started_at and b.ended_at > a.started_at)) total
     from works a`,
    [id],
  )
  expect(most?.total).toBe(2)
})

it('at a version: its runs execute what the step has recorded, not what the tag means now', async () => {
  const { task, id } = found.get('at a version') as Found
  const run = await api.until(task, id, ({ ended }) => ended !== null)
  expect(run.status).toBe('completed')
  const [child] = run.steps.fan.outputs.trajectory_references
  const { body } = await api.call('GET', `/api/v1/db/trajectory/${child.name}/${child.trajectory_id}`)
  expect([body.steps.say.outputs.text, body.attributes.params.version]).toEqual(['old', { ref: 'stable', index: 0 }])
})
