// How many runs may be open below one run and in one collection, and how deep a task may start itself.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let letGo = () => {}
let held: Promise<void>
const hold = () => {
  held = new Promise((resolve) => {
    letGo = resolve
  })
}
hold()

/** Waits until the test lets it go, and fails where it is told to. */
const waiting = activity({
  name: 'waiting',
  category: 'control',
  description: 'Waits until the test lets it go.',
  parameters: z.object({ fails: z.unknown().optional() }),
  outputs: z.object({}),
  example: {},
  async run({ fails }, { signal }) {
    if (fails === true) throw new Error('no good')
    if (fails === false) return {}
    await Promise.race([
      held,
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))),
    ])
    return {}
  },
})

let jetty: TestServer
let database: Database
beforeAll(async () => {
  jetty = await startTestServer({
    activities: [waiting],
    beatMs: 60_000, // what is asked without a notification is heard of late
    env: {
      JETTY_MAX_OPEN_RUNS_BELOW: '30',
      JETTY_MAX_OPEN_RUNS_STARTED: '60',
      JETTY_MAX_RUN_RECURSION: '1',
    },
  })
  database = openDatabase(jetty.database.url, { connections: 1 })
})
afterAll(async () => {
  await database?.close()
  await jetty?.close()
})

const child = (given: Record<string, unknown> = {}) => ({
  step_configs: { wait: { activity: 'waiting', ...given } },
  steps: ['wait'],
})
const fanning = (task: string, count: number, config: Record<string, unknown> = {}) => ({
  init_params: { items: Array.from({ length: count }, (_, index) => index) },
  step_configs: {
    fan: {
      activity: 'list_emit_await',
      items_path: 'init_params.items',
      child_workflow_name: task,
      max_concurrency: count,
      ...config,
    },
  },
  steps: ['fan'],
})

const list = async (task: string, more = '') =>
  (await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=200${more}`)).body.trajectories
/** How many runs of a task there are, by status. */
const statusesOf = async (task: string): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const { status } of await list(task)) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
const cancel = async (task: string, id: string) => {
  const { status } = await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
  expect(status).toBe(200)
  await jetty.until(task, id, (run) => run.status === 'cancelled')
}

test('a failed step keeps its references and counts', async () => {
  const task = await jetty.task(child({ fails_path: 'init_params.item' }))
  const items = Array.from({ length: 9 }, (_, item) => item % 4 !== 0)
  const run = await jetty.run(fanning(task, 9), { init_params: { items } })
  expect(run.status).toBe('failed')
  const { trajectory_references: references, total, completed, failed, not_started } = run.steps.fan.outputs
  expect([total, completed + failed + not_started, references.length]).toEqual([9, 9, 9 - not_started])
  const failures = references.filter(({ status }: Body) => status === 'failed')
  expect(run.error).toContain(`${failures.length} of 9 runs failed; first: `)
  for (const { trajectory_id: id, index } of failures.slice(0, 5)) {
    expect(run.error).toContain(`acme/${task} ${id} (item ${index}): Step 'wait' failed: no good`)
  }
})

test('a task starts itself as deep as it may, and no deeper', async () => {
  const itself = fanning('itself', 3, { continue_on_error: true })
  expect((await jetty.call('POST', '/api/v1/tasks/acme', { name: 'itself', workflow: itself })).status).toBe(201)
  const { trajectory_id: id } = await jetty.start('itself')
  await jetty.until('itself', id, ({ status }) => status === 'completed')
  const failed = await list('itself', '&status=failed')
  expect(failed).toHaveLength(3)
  for (const run of failed) expect(run.error).toContain("Task 'itself' may start itself 1 levels deep")
  expect(await list('itself')).toHaveLength(4)
})

test('a step is refused runs where too many are open below the root, at whatever level', async () => {
  const leaf = await jetty.task(child())
  const middle = await jetty.task(fanning(leaf, 10))
  const top = await jetty.task(fanning(middle, 10, { continue_on_error: true }))
  const { trajectory_id: id } = await jetty.start(top)
  const [refused] = await vi.waitUntil(async () => {
    const failed = await list(middle, '&status=failed')
    return failed.length > 0 && failed
  }, 50_000)
  expect(refused.error).toContain('No more runs can be started: 30 are open below the run at the top of this tree')
  const detail = await jetty.get(middle, refused.trajectory_id)
  expect(detail.steps.fan.error_detail).toMatchObject({
    code: 'too_large',
    hint: expect.stringContaining('JETTY_MAX_OPEN_RUNS_BELOW'),
  })
  const [{ most }] = (await database.query<{ most: number }>(
    'select count(*)::int as most from runs where parent_id is not null and ended_at is null',
  )) as [{ most: number }]
  expect(most).toBeLessThanOrEqual(30)
  await cancel(top, id)
})

test('a collection has a bound of its own, and room again when runs have ended', async () => {
  const leaf = await jetty.task(child())
  const fan = await jetty.task(fanning(leaf, 29))
  const first = await jetty.start(fan)
  const second = await jetty.start(fan)
  await expect.poll(() => statusesOf(leaf), { timeout: 50_000 }).toEqual({ running: 58 })
  const quick = await jetty.task(child({ fails: false }))
  const third = await jetty.run(fanning(quick, 29, { max_concurrency: 1 }))
  expect(third.status).toBe('completed') // a few at a time fit
  const fourth = await jetty.start(fan) // starts two runs, and waits for room
  await expect.poll(() => statusesOf(leaf), { timeout: 50_000 }).toEqual({ running: 60 })
  const refused = await jetty.run(fanning(leaf, 29))
  expect(refused.error).toContain("No more runs can be started: 60 are open in collection 'acme'")
  for (const { trajectory_id: id } of [first, second, fourth]) await cancel(fan, id)
  await vi.waitUntil(async () => (await jetty.run(fanning(quick, 29))).status === 'completed', 50_000)
})

test.each([1, 2])(
  'nothing is started below a run that was asked to end, before its owner has heard of it: %i',
  async (count) => {
    hold()
    const leaf = await jetty.task(child({ fails: false }))
    const fan = fanning(leaf, 5)
    const middle = await jetty.task({
      ...fan,
      step_configs: { wait: { activity: 'waiting' }, ...fan.step_configs },
      steps: ['wait', 'fan'],
    })
    const top = await jetty.task(fanning(middle, count))
    const { trajectory_id: id } = await jetty.start(top)
    await expect.poll(() => statusesOf(middle), { timeout: 50_000 }).toEqual({ running: count })
    await database.query(`update runs set requested_status = 'cancelled' where trajectory_id = '${id}'`)
    letGo()
    const { status } = await jetty.until(top, id, ({ ended }) => ended !== null)
    expect(status).toBe('cancelled')
    expect(await list(leaf)).toEqual([])
    for (const run of await list(middle)) expect(run.status).toBe('cancelled')
  },
)
