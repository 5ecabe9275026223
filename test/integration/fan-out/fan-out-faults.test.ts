// What a fan-out leaves behind when it goes wrong: nothing that runs on for nobody, and nothing of anybody else's.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { wakeOrphans } from '../../../src/engine/leases/leases.ts'
import { removeOldRuns } from '../../../src/store/collections/retention.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { act, does, forget, seen } from '../runs/acting.ts'

const gates = new Map<string, { opened: Promise<void>; open: () => void }>()
const gateOf = (name: string) => {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const gate = gates.get(name) ?? { opened, open }
  gates.set(name, gate)
  return gate
}

/** Works until its gate is opened, and fails then where it is told to. */
const held = activity({
  name: 'held',
  category: 'control',
  description: 'For tests of fan-outs.',
  parameters: z.object({ gate: z.string(), fails: z.boolean().default(false) }),
  outputs: z.object({}),
  example: { gate: 'one' },
  async run({ gate, fails }, { signal }) {
    const aborted = new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    await Promise.race([gateOf(gate).opened, aborted])
    if (fails) throw new Error('its gate was opened')
    return {}
  },
})

let jetty: TestServer
let database: Database
beforeAll(async () => {
  jetty = await startTestServer({ activities: [act, held] })
  database = openDatabase(jetty.database.url, { connections: 2 })
})
afterAll(async () => {
  await database.close()
  await jetty.close()
})

const fan = (task: string, items: string, config: object = {}) => ({
  activity: 'list_emit_await',
  items_path: `init_params.${items}`,
  spread_items: true,
  child_workflow_name: task,
  ...config,
})

/** A task whose one step works for as long as it is told to, and fails where it is. */
const leaf = (server = jetty) =>
  server.task({
    init_params: { milliseconds: 0, fails: 0 },
    step_configs: { work: does({ milliseconds_path: 'init_params.milliseconds', fails_path: 'init_params.fails' }) },
    steps: ['work'],
  })

/** A task whose one step works until the gate is opened that is named for it. */
const heldLeaf = () =>
  jetty.task({
    init_params: { gate: '' },
    step_configs: { work: { activity: 'held', gate_path: 'init_params.gate' } },
    steps: ['work'],
  })

const runsBelow = (id: string): Promise<{ status: string; name: string; index: number; lease: string | null }[]> =>
  database.query(
    `select c.status, c.name, c.child_index as index, c.lease from runs c join runs p on p.id = c.parent_id
     where p.trajectory_id = $1 order by c.parent_seq, c.child_index`,
    [id],
  )

const untilBelow = async (id: string, satisfied: (runs: { status: string }[]) => boolean): Promise<void> => {
  for (let tries = 0; !satisfied(await runsBelow(id)); tries++) {
    if (tries > 1_500) throw new Error(`never so: ${JSON.stringify(await runsBelow(id))}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const allRun = (runs: { status: string }[]) => runs.length > 0 && runs.every(({ status }) => status === 'running')

it('the time limit holds for runs that were under way when another one failed', async () => {
  const task = await leaf()
  const begun = performance.now()
  const before = await statements()
  const run = await jetty.run(
    {
      init_params: { items: [{ fails: 9 }, { milliseconds: 60_000 }] },
      step_configs: { fan: fan(task, 'items', { timeout_sec: 4 }) },
      steps: ['fan'],
    },
    { init_params: {} },
  )
  expect(run.error).toMatch(/1 of 2 runs failed; first: .*attempt \d failed/)
  expect(performance.now() - begun).toBeLessThan(30_000)
  expect((await statements()) - before).toBeLessThan(1_000)
})

/** Transactions in this database so far. */
const statements = async (): Promise<number> => {
  const [row] = await database.query<{ total: number }>(
    'select xact_commit as total from pg_stat_database where datname = current_database()',
  )
  return row?.total ?? 0
}

it('who has lost the run to somebody else cancels none of its runs', async () => {
  const task = await heldLeaf()
  const name = await jetty.task({
    init_params: { items: [{ gate: 'the run below' }] },
    execution: 'parallel',
    step_configs: { fan: fan(task, 'items'), fails: { activity: 'held', gate: 'the other step', fails: true } },
    steps: ['fan', 'fails'],
  })
  const { trajectory_id: id } = await jetty.start(name)
  await untilBelow(id, allRun)
  await database.query(
    `update leases set epoch = epoch + 1, owner = 'another' where id = (select lease from runs where trajectory_id = $1)`,
    [id],
  )
  gateOf('the other step').open()
  await new Promise((resolve) => setTimeout(resolve, 1_500)) // whoever cancels has done it by then
  expect((await runsBelow(id)).map(({ status }) => status)).toEqual(['running'])
  gateOf('the run below').open()
  await untilBelow(id, (runs) => runs.every(({ status }) => status === 'completed'))
  await database.query(`update runs set status = 'failed', ended_at = now() where trajectory_id = $1`, [id])
})

it('runs of a step that still waits are kept, however old they are', async () => {
  const task = await heldLeaf()
  gateOf('quick').open()
  const name = await jetty.task({
    init_params: { items: [{ gate: 'quick' }, { gate: 'slow' }] },
    step_configs: { fan: fan(task, 'items') },
    steps: ['fan'],
  })
  const { trajectory_id: id } = await jetty.start(name)
  await untilBelow(id, ([first, second]) => first?.status === 'completed' && second?.status === 'running')
  await jetty.call('PATCH', '/api/v1/collections/acme/settings', { retention_days: 1 })
  await database.query(
    `update runs set created_at = now() - interval '3 days', ended_at = now() - interval '2 days'
     where child_index = 0 and parent_id = (select id from runs where trajectory_id = $1)`,
    [id],
  )
  await removeOldRuns(database, { objects: { remove: async () => {} } })
  expect(await runsBelow(id)).toHaveLength(2)
  gateOf('slow').open()
  const run = await jetty.until(name, id, ({ ended }) => ended !== null)
  expect(run.steps.fan.outputs).toMatchObject({ total: 2, completed: 2, not_started: 0 })
  await removeOldRuns(database, { objects: { remove: async () => {} } })
  expect(await runsBelow(id)).toHaveLength(1)
})

/** A run that waits for runs which have left memory, at most two of them at work at once. */
const waitsForSleepers = async (count: number) => {
  const sleeper = await jetty.task({
    step_configs: { rest: { activity: 'sleep', seconds: 3600 }, work: does({ milliseconds: 150 }) },
    steps: ['rest', 'work'],
  })
  const name = await jetty.task({
    init_params: { items: Array.from({ length: count }, () => ({})) },
    step_configs: { fan: fan(sleeper, 'items', { max_concurrency: 2 }) },
    steps: ['fan'],
  })
  const { trajectory_id: id } = await jetty.start(name)
  const isParked = ({ lease }: { lease: string | null }) => lease === null
  await expect.poll(async () => (await runsBelow(id)).filter(isParked).length, { timeout: 40_000 }).toBe(count)
  forget()
  return { name, id }
}

/** An hour is over for all that sleep. */
const wakeAll = async () => {
  await database.query(`update steps set started_at = started_at - interval '2 hours' where ended_at is null`)
  await database.query(`update runs set wake_at = now() - interval '1 hour' where lease is null and ended_at is null`)
}

it('what comes back from a long wait works no more at once than what begins', async () => {
  const { name, id } = await waitsForSleepers(7)
  await wakeAll()
  const run = await jetty.until(name, id, ({ ended }) => ended !== null)
  expect(run.error).toBeNull()
  expect(run.steps.fan.outputs).toMatchObject({ total: 7, completed: 7 })
  expect(seen.effects).toHaveLength(7)
  expect(seen.mostAtWork).toBeLessThanOrEqual(2)
})

it('what had left memory is cancelled with the run that waits for it', async () => {
  const { name, id } = await waitsForSleepers(3)
  await jetty.call('POST', `/api/v1/trajectory/acme/${name}/statuses`, { [id]: 'cancelled' })
  await untilBelow(id, (runs) => runs.length === 3 && runs.every(({ status }) => status === 'cancelled'))
})

it('what had left memory goes on though the run that waited for it is no more', async () => {
  const { id } = await waitsForSleepers(2)
  await database.query(
    `update leases set epoch = epoch + 1, owner = 'another' where id = (select lease from runs where trajectory_id = $1)`,
    [id],
  )
  await database.query(`update runs set status = 'failed', ended_at = now() where trajectory_id = $1`, [id])
  await wakeAll()
  await wakeOrphans(database)
  await untilBelow(id, (runs) => runs.every(({ status }) => status === 'completed'))
})

it('ends with the run at the top of its tree, though the owner of that one is gone and nobody has marked this one', async () => {
  const task = await heldLeaf()
  const inner = await jetty.task({
    init_params: { gate: 'never', below: [{ gate: 'never' }, { gate: 'never' }] },
    step_configs: { fan: fan(task, 'below') },
    steps: ['fan'],
  })
  const name = await jetty.task({
    init_params: { items: [{ gate: 'never' }] },
    step_configs: { fan: fan(inner, 'items') },
    steps: ['fan'],
  })
  const { trajectory_id: id } = await jetty.start(name)
  await untilBelow(id, allRun)
  const [child] = await database.query<{ id: string }>(
    'select c.trajectory_id as id from runs c join runs p on p.id = c.parent_id where p.trajectory_id = $1',
    [id],
  )
  await untilBelow(child?.id ?? '', (runs) => runs.length === 2 && allRun(runs))
  await database.query(
    `update leases set epoch = epoch + 1, owner = 'another' where id = (select lease from runs where trajectory_id = $1)`,
    [id],
  )
  await database.query(`update runs set requested_status = 'cancelled' where trajectory_id = $1`, [id])
  await untilBelow(child?.id ?? '', (runs) => runs.every(({ status }) => status === 'cancelled'))
  await untilBelow(id, (runs) => runs.every(({ status }) => status === 'cancelled'))
  const marked = await database.query(
    `select from runs where requested_status is not null and parent_id like (select id from runs where trajectory_id = $1) || '%'`,
    [id],
  )
  expect(marked).toEqual([])
  await database.query(`update runs set status = 'cancelled', ended_at = now() where trajectory_id = $1`, [id])
})
