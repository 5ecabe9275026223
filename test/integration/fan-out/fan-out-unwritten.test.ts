// Child runs without effects: the process that has their parent carries them out in memory, and writes each of them once.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { pause } from '../../../src/lib/time.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let working = 0
let mostWorking = 0
let begun = 0
let letGo = () => {}
let held = Promise.resolve()

/** Puts out what it was given, after a moment or once it is let go; fails where it is told to. */
const calm = activity({
  name: 'calm',
  category: 'control',
  description: 'For tests of fan-outs.',
  parameters: z.object({
    item: z.unknown(),
    milliseconds: z.number().default(0),
    isHeld: z.boolean().default(false),
    fails: z.number().optional(),
  }),
  outputs: z.object({ item: z.unknown() }),
  example: {},
  pure: true,
  async run({ item, milliseconds, isHeld, fails }) {
    begun++
    mostWorking = Math.max(mostWorking, ++working)
    if (milliseconds > 0) await pause(milliseconds)
    if (isHeld) await held
    working--
    if (fails !== undefined && fails === item) throw new Error(`item ${item} is no good`)
    return { item }
  },
})

let jetty: TestServer
let database: Database
beforeAll(async () => {
  jetty = await startTestServer({ activities: [calm], env: { JETTY_DRAIN_SECONDS: '0' } })
  database = openDatabase(jetty.database.url, { connections: 1 })
})
afterAll(async () => {
  letGo()
  await database.close()
  await jetty.close()
})
beforeEach(() => {
  working = mostWorking = begun = 0
})

const leaf = (config: Record<string, unknown> = {}, ...more: string[]) => ({
  init_params: { note: 'own' },
  step_configs: {
    calm: { activity: 'calm', item_path: 'init_params.item', ...config },
    ...Object.fromEntries(more.map((name) => [name, { activity: 'text_echo', text_path: 'calm.outputs.item' }])),
  },
  steps: ['calm', ...more],
})

const parent = (task: string, config: Record<string, unknown> = {}) => ({
  init_params: { items: [] },
  step_configs: {
    fan: { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: task, ...config },
    gather: {
      activity: 'extract_from_trajectories',
      trajectory_list_path: 'fan.outputs.trajectory_references',
      extract_keys: { item: 'calm.outputs.item', note: 'init_params.note', none: 'other.outputs.x' },
    },
  },
  steps: ['fan', 'gather'],
})

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

interface Below {
  status: string
  isOfParent: boolean
  steps: number
  ended: number | null
}

/** The runs below a run, in the order of the items. */
const below = (id: string): Promise<Below[]> =>
  database.query(
    `select c.status, c.lease = p.lease as "isOfParent", (select count(*)::int from steps where run_id = c.id) steps,
       extract(epoch from c.ended_at)::float8 * 1000 ended
     from runs c join runs p on p.id = c.parent_id where p.trajectory_id = $1 order by c.child_index`,
    [id],
  )

const start = async (workflow: Body, items: unknown[]) => {
  const task = await jetty.task(workflow)
  const { trajectory_id: id } = await jetty.start(task, { init_params: { items } })
  return { task, id, ended: () => jetty.until(task, id, ({ status }) => status !== 'pending' && status !== 'running') }
}

it('writes each run once, under the lease of its parent, and gathers the results in order', async () => {
  const task = await jetty.task(leaf({}, 'more', 'last'))
  const { ended } = await start(parent(task, { max_concurrency: 100 }), numbers(700))
  const run = await ended()
  expect(run.error).toBeNull()
  expect(run.steps.fan.outputs).toMatchObject({ total: 700, completed: 700, failed: 0, not_started: 0 })
  expect(run.steps.fan.outputs.trajectory_references.map((one: Body) => one.index)).toEqual(numbers(700))
  expect(run.steps.gather.outputs.by_key.item).toEqual(numbers(700))
  expect(run.steps.gather.outputs.by_key.note[699]).toBe('own')
  expect(run.steps.gather.outputs.errors).toHaveLength(700)
  expect(run.steps.gather.outputs.errors[3].reason).toMatch(/no step 'other'; it is completed/)
  expect(begun).toBe(700)
  const runs = await below(run.trajectory_id)
  expect(runs).toHaveLength(700)
  expect(new Set(runs.map(({ status, steps, isOfParent }) => `${status} ${steps} ${isOfParent}`))).toEqual(
    new Set(['completed 3 true']),
  )
  const child = await jetty.get(task, run.steps.fan.outputs.trajectory_ids[7])
  expect(child).toMatchObject({ status: 'completed', init_params: { note: 'own', item: 7 } })
  expect(child.steps.last.outputs).toEqual({ text: 7 })
  expect(child.attributes.params.parent).toMatchObject({ step: 'fan', index: 7, name: run.name })
  const [totals] = await database.query<Body>(
    `select (select sum(total)::int from run_counts where task_id = t.id) runs,
       (select sum(total)::int from run_totals where task_id = t.id and status = 'completed') completed,
       (select sum(total)::int from duration_totals where task_id = t.id) durations,
       (select sum(total)::int from step_totals where task_id = t.id) steps
     from tasks t where name = $1`,
    [task],
  )
  expect(totals).toEqual({ runs: 700, completed: 700, durations: 700, steps: 2_100 })
})

it('executes no more at once than it may', async () => {
  const task = await jetty.task(leaf({ milliseconds: 5 }))
  const run = await (await start(parent(task, { max_concurrency: 3 }), numbers(40))).ended()
  expect(run.error).toBeNull()
  expect(mostWorking).toBe(3)
})

it('begins none after one has failed, and says why', async () => {
  const task = await jetty.task(leaf({ fails: 2, milliseconds: 2 }))
  const run = await (await start(parent(task, { max_concurrency: 2 }), numbers(60))).ended()
  expect(run.status).toBe('failed')
  expect(run.error).toMatch(/1 of 60 runs failed; first: .*\(item 2\): .*item 2 is no good/)
  expect(begun).toBeLessThan(12)
  expect(
    (await below(run.trajectory_id)).map(({ status }) => status).filter((status) => status === 'failed'),
  ).toHaveLength(1)
})

it('goes on after a failure where it may', async () => {
  const task = await jetty.task(leaf({ fails: 2 }))
  const run = await (await start(parent(task, { continue_on_error: true }), numbers(60))).ended()
  expect(run.error).toBeNull()
  expect(run.steps.fan.outputs).toMatchObject({ completed: 59, failed: 1, not_started: 0 })
  expect(run.steps.gather.outputs.by_key.item[2]).toBeNull()
  expect(run.steps.gather.outputs.by_key.item[59]).toBe(59)
})

it('writes runs before they begin once one takes long', async () => {
  const task = await jetty.task(leaf({ milliseconds: 150 }))
  const run = await (await start(parent(task, { max_concurrency: 10 }), numbers(60))).ended()
  expect(run.error).toBeNull()
  const runs = await below(run.trajectory_id)
  expect(runs).toHaveLength(60)
  expect(runs.filter(({ isOfParent }) => isOfParent).length).toBeGreaterThan(0)
  expect(runs.filter(({ isOfParent }) => !isOfParent).length).toBeGreaterThan(0)
})

it('ends with its parent', async () => {
  held = new Promise((resolve) => {
    letGo = resolve
  })
  const task = await jetty.task(leaf({ isHeld: true }))
  const { task: name, id, ended } = await start(parent(task, { max_concurrency: 4 }), numbers(60))
  while (working < 4) await pause(5)
  expect(await below(id)).toEqual([])
  const { status } = await jetty.call('POST', `/api/v1/trajectory/acme/${name}/statuses`, { [id]: 'cancelled' })
  expect(status).toBe(200)
  letGo()
  const run = await ended()
  expect(run.status).toBe('cancelled')
  expect(begun).toBe(4)
  const runs = await below(id)
  expect(runs.filter(({ ended }) => ended === null)).toEqual([])
  await pause(100)
  expect(await below(id)).toEqual(runs)
})

it('ends its runs when its time is over', async () => {
  held = new Promise((resolve) => {
    letGo = resolve
  })
  const task = await jetty.task(leaf({ isHeld: true }))
  const { ended } = await start(
    parent(task, { max_concurrency: 4, timeout_sec: 0.3, continue_on_error: true }),
    numbers(9),
  )
  const run = await ended()
  letGo()
  expect(run.error).toBeNull()
  expect(run.steps.fan.outputs).toMatchObject({ completed: 0, failed: 4, not_started: 5 })
  expect((await below(run.trajectory_id)).map(({ status }) => status)).toEqual(Array(4).fill('cancelled'))
})
