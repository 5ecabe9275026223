import { appendFile, mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { readEvents } from '../../event-stream.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const folder = await mkdtemp(join(tmpdir(), 'jetty-effects-'))
const effects = join(folder, 'effects')

/** What has executed so far: one line an execution. */
const effectsOf = async (mark: string): Promise<string[]> =>
  (await readFile(effects, 'utf8')).split('\n').filter((line) => line.startsWith(`${mark} `))

let working = 0
let mostWorking = 0
let letGo = () => {}
const held = new Promise<void>((resolve) => {
  letGo = resolve
})

/** Writes down that it was executed, works for a moment or until it is let go, and fails where it is told to. */
const effect = activity({
  name: 'effect',
  category: 'control',
  description: 'Leaves a line in a file.',
  parameters: z.object({
    mark: z.string(),
    item: z.unknown(),
    milliseconds: z.number().default(0),
    fails: z.boolean().default(false),
    held: z.boolean().default(false),
  }),
  outputs: z.object({ item: z.unknown(), doubled: z.unknown() }),
  example: {},
  async run({ mark, item, milliseconds, fails, held: isHeld }, { run, signal }) {
    working++
    mostWorking = Math.max(mostWorking, working)
    await appendFile(effects, `${mark} ${run.trajectory_id}\n`)
    try {
      if (isHeld) await held
      if (milliseconds > 0) {
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(resolve, milliseconds)
          signal.addEventListener('abort', () => {
            clearTimeout(timer)
            reject(new Error('stopped'))
          })
        })
      }
    } finally {
      working--
    }
    if (fails) throw new Error(`item ${String(item)} is no good`)
    return { item, doubled: typeof item === 'number' ? item * 2 : null }
  },
})

let server: TestServer
let database: Database
beforeAll(async () => {
  server = await startTestServer({
    activities: [effect],
    env: { JETTY_WORKER_CONCURRENCY: '4' },
  })
  database = openDatabase(server.database.url, { connections: 1 })
})
afterAll(async () => {
  await database.close()
  await server.close()
})

const child = (config: Record<string, unknown> = {}) => ({
  init_params: { mark: 'none', note: 'own' },
  step_configs: {
    process: { activity: 'effect', mark_path: 'init_params.mark', item_path: 'init_params.item', ...config },
  },
  steps: ['process'],
})

const parent = (task: string, config: Record<string, unknown> = {}) => ({
  init_params: { items: [] },
  step_configs: {
    fan: { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: task, ...config },
    gather: {
      activity: 'extract_from_trajectories',
      trajectory_list_path: 'fan.outputs.trajectory_references',
      extract_keys: { doubled: 'process.outputs.doubled', item: 'init_params.item' },
    },
  },
  steps: ['fan', 'gather'],
})

const runToEnd = async (workflow: Body, initParams: Record<string, unknown>): Promise<Body> => {
  const name = await server.task(workflow)
  const { trajectory_id: id } = await server.start(name, { init_params: initParams })
  return untilEnded(name, id)
}

/** The document of a run once it has ended. */
const untilEnded = async (name: string, id: string, withinMs = 50_000): Promise<Body> => {
  const deadline = Date.now() + withinMs
  for (;;) {
    const run = await server.get(name, id)
    if (!['pending', 'running'].includes(run.status)) return run
    if (Date.now() > deadline) throw new Error(`it has not ended: ${JSON.stringify(run).slice(0, 2_000)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('every item gets its run, and the results come back in the order of the items', async () => {
  const task = await server.task(child())
  const items = Array.from({ length: 300 }, (_, index) => index)
  const run = await runToEnd(parent(task, { child_init_params: { mark: 'order' } }), { items })
  expect(run.error).toBeNull()
  expect(run.status).toBe('completed')
  const { trajectory_references: references, ...counts } = run.steps.fan.outputs
  expect(references.map((one: Body) => one.index)).toEqual(items)
  expect(new Set(references.map((one: Body) => one.name))).toEqual(new Set([`acme/${task}`]))
  expect(counts).toMatchObject({ total: 300, completed: 300, failed: 0, not_started: 0 })
  expect(run.steps.gather.outputs.extracted_data).toEqual(items.map((item) => ({ doubled: item * 2, item })))
  expect(new Set(await effectsOf('order')).size).toBe(300)
  expect(await effectsOf('order')).toHaveLength(300)
  const first = await server.get(task, references[7].trajectory_id)
  expect(first.init_params).toEqual({ mark: 'order', note: 'own', item: 7 })
  expect(first.attributes.params.parent).toEqual({
    trajectory_id: run.trajectory_id,
    step: 'fan',
    index: 7,
    name: run.name,
  })
})

test('an empty list is a success', async () => {
  const task = await server.task(child())
  const run = await runToEnd(parent(task), { items: [] })
  expect(run.status).toBe('completed')
  expect(run.steps.fan.outputs).toMatchObject({ trajectory_references: [], total: 0, completed: 0, failed: 0 })
  expect(run.steps.gather.outputs).toEqual({
    extracted_data: [],
    by_key: { doubled: [], item: [] },
    count: 0,
    errors: [],
  })
})

test('never more children are at work than max_concurrency says, and the others are pending', async () => {
  const task = await server.task(child({ milliseconds: 20, held: true }))
  const name = await server.task(parent(task, { max_concurrency: 2, child_init_params: { mark: 'two' } }))
  mostWorking = 0
  const { trajectory_id: id } = await server.start(name, { init_params: { items: Array(12).fill(0) } })
  await server.until(name, id, ({ steps }) => steps.fan?.status === 'running')
  const statusesNow = async (): Promise<string[]> => {
    const { body } = await server.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=50`)
    return body.trajectories.map((one: Body) => one.status)
  }
  const statuses = await vi.waitFor(async () => {
    const now = await statusesNow()
    expect(now).toContain('pending') // they are made a moment after their step has begun
    expect(working).toBe(2)
    return now
  }, 40_000)
  expect(statuses.filter((status) => status === 'running').length).toBeLessThanOrEqual(2)
  letGo()
  const run = await server.until(name, id, ({ status }) => status !== 'running')
  expect(run.status).toBe('completed')
  expect(await effectsOf('two')).toHaveLength(12)
  expect(mostWorking).toBe(2)
})

test('twenty parents of forty children each finish with four slots', { timeout: 180_000 }, async () => {
  const task = await server.task(child())
  const name = await server.task(parent(task, { child_init_params: { mark: 'many' }, max_concurrency: 3 }))
  const items = Array.from({ length: 40 }, (_, index) => index)
  const started = await Promise.all(Array.from({ length: 20 }, () => server.start(name, { init_params: { items } })))
  for (const { trajectory_id: id } of started) {
    const run = await untilEnded(name, id, 150_000)
    expect(run.status).toBe('completed')
    expect(run.steps.gather.outputs.by_key.item).toEqual(items)
  }
  expect(new Set(await effectsOf('many')).size).toBe(800)
  expect(await effectsOf('many')).toHaveLength(800)
})

test('children of children finish, and five levels are as deep as it goes', async () => {
  let task = await server.task(child())
  for (let level = 0; level < 5; level++) {
    task = await server.task({
      init_params: { items: [1, 2] },
      step_configs: {
        fan: {
          activity: 'list_emit_await',
          items_path: 'init_params.items',
          child_workflow_name: task,
          child_init_params: { mark: 'deep' },
          max_concurrency: 1,
        },
      },
      steps: ['fan'],
    })
  }
  const run = await runToEnd(
    {
      init_params: {},
      step_configs: { one: { activity: 'run_workflow', workflow_name: task } },
      steps: ['one'],
    },
    {},
  )
  expect(run.status).toBe('failed')
  expect(run.error).toContain('5 levels deep')
  expect(await effectsOf('deep')).toEqual([])
  const { trajectory_id: id } = await server.start(task, {})
  expect((await untilEnded(task, id)).status).toBe('completed')
  expect(await effectsOf('deep')).toHaveLength(2 ** 5)
})

test('the first failure stops what has not begun, and the parent says which child failed, and why', async () => {
  const task = await server.task(child({ milliseconds: 20, fails_path: 'init_params.fails' }))
  const items = Array.from({ length: 200 }, (_, item) => ({ item, fails: item === 3 }))
  const run = await runToEnd(
    parent(task, { spread_items: true, max_concurrency: 4, child_init_params: { mark: 'stop' } }),
    { items },
  )
  expect(run.status).toBe('failed')
  const { body } = await server.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=200&status=failed`)
  const failed = body.trajectories[0]
  expect(run.error).toContain(
    `1 of 200 runs failed; first: acme/${task} ${failed.trajectory_id} (item 3): Step 'process' failed: item 3 is no good`,
  )
  expect(run.steps.fan.error_detail).toMatchObject({ code: 'child_failed' })
  expect((await effectsOf('stop')).length).toBeLessThan(150)
  const open = await server.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=200&status=pending`)
  expect(open.body.trajectories).toEqual([])
})

test('with continue_on_error the counters tell, and what is missing is null', async () => {
  const task = await server.task(child({ fails_path: 'init_params.fails' }))
  const items = Array.from({ length: 10 }, (_, item) => ({ item, fails: item % 5 === 0 }))
  const run = await runToEnd(parent(task, { spread_items: true, continue_on_error: true }), { items })
  expect(run.status).toBe('completed')
  expect(run.steps.fan.outputs).toMatchObject({ total: 10, completed: 8, failed: 2, not_started: 0 })
  expect(run.steps.fan.outputs.trajectory_references[5].status).toBe('failed')
  const gathered = run.steps.gather.outputs
  expect(gathered.extracted_data[5]).toEqual({ doubled: null, item: 5 })
  expect(gathered.extracted_data[6]).toEqual({ doubled: 12, item: 6 })
  expect(gathered.errors).toHaveLength(2)
  expect(gathered.errors[1]).toMatchObject({ key: 'doubled', trajectory_id: expect.stringMatching(/^[0-9a-f]{8}$/) })
})

test('the summary of an ended run says what came of its child runs, which a list tells apart by their input', async () => {
  const name = await server.task(child({ fails_path: 'init_params.bad' }))
  const task = await server.task(parent(name, { spread_items: true, continue_on_error: true }))
  const items = [1, 2, 3, 4].map((item) => ({ item, bad: item === 2 }))
  const { trajectory_id: id } = await server.start(task, { init_params: { items } })
  const { events } = await readEvents(
    `${server.url}/api/v1/trajectory/acme/${task}/${id}/events?view=summary`,
    server.server.adminToken,
    { enough: (seen) => seen.some(({ event }) => event === 'end') },
  )
  const counted = { total: 4, begun: 4, ended: 4, completed: 3, failed: 1, cancelled: 0 }
  const told = events.filter(({ event, data }) => event === 'step' && data.key === 'fan')
  const [snapshot] = events.filter(({ event }) => event === 'snapshot')
  expect([snapshot?.data.steps.fan, ...told.map(({ data }) => data)].at(-1)).toMatchObject({
    status: 'completed',
    progress: counted,
  })
  const { body } = await server.call('GET', `/api/v1/db/trajectory/acme/${task}/${id}?view=summary`)
  expect(body.steps.fan.progress).toEqual(counted)
  expect(body.steps.gather.progress).toBeUndefined()
  const { body: list } = await server.call('GET', `/api/v1/runs/acme?parent_id=${id}&order=asc`)
  expect(list.runs.map((run: Body) => run.input_preview).sort()).toEqual(
    items.map(({ item, bad }) => `mark: none · note: own · ${item} · bad: ${bad}`),
  )
})

test('the error of a parent carries the deepest one', async () => {
  const leaf = await server.task(child({ fails: true }))
  const middle = await server.task(parent(leaf, {}))
  const top = await runToEnd(parent(middle, { item_param_name: 'items' }), { items: [[7]] })
  expect(top.status).toBe('failed')
  expect(top.error).toMatch(
    new RegExp(`acme/${middle} [0-9a-f]{8} \\(item 0\\): .*acme/${leaf} [0-9a-f]{8} \\(item 0\\)`),
  )
  expect(top.error).toContain('item 7 is no good')
})

test('when the time is over what is open is cancelled, and what is there is put out', async () => {
  const task = await server.task(child({ milliseconds_path: 'init_params.milliseconds' }))
  const items = [0, 0, 60_000, 0, 60_000, 60_000].map((milliseconds, item) => ({ item, milliseconds }))
  const config = { spread_items: true, max_concurrency: 3, timeout_sec: 4 }
  const run = await runToEnd(parent(task, { ...config, continue_on_error: true }), { items })
  expect(run.status).toBe('completed')
  expect(run.steps.fan.outputs).toMatchObject({ total: 6, completed: 3, failed: 3 })
  expect(run.steps.gather.outputs.by_key.doubled).toEqual([0, 2, null, 6, null, null])
  const strict = await runToEnd(parent(task, { ...config, timeout_sec: 1 }), { items })
  expect(strict.status).toBe('failed')
  expect(strict.error).toMatch(/timed out after \d+ s: [0-3] of 6 runs had completed/)
  const open = await server.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=200&status=running`)
  expect(open.body.trajectories).toEqual([])
})

test('the time of one step ends its own runs, not those that another step beside it waits for', async () => {
  const task = await server.task(child({ milliseconds_path: 'init_params.milliseconds' }))
  const fan = (milliseconds: number, timeout: number) => ({
    activity: 'list_emit_await',
    items_path: 'init_params.items',
    child_workflow_name: task,
    child_init_params: { milliseconds },
    timeout_sec: timeout,
    continue_on_error: true,
  })
  const workflow = {
    execution: 'parallel',
    step_configs: { hasty: fan(60_000, 1), patient: fan(2_500, 60) },
    steps: ['hasty', 'patient'],
  }
  const run = await runToEnd(workflow, { items: [1, 2] })
  expect(run.steps.hasty.outputs).toMatchObject({ completed: 0, failed: 2 })
  expect(run.steps.patient.outputs).toMatchObject({ completed: 2, failed: 0 })
})

test('to cancel a parent ends everything below it, whenever it is asked', { timeout: 180_000 }, async () => {
  const leaf = await server.task(child({ milliseconds_path: 'init_params.item' }))
  const middle = await server.task(parent(leaf, { max_concurrency: 3 }))
  const top = await server.task(parent(middle, { item_param_name: 'items', max_concurrency: 5 }))
  const items = [...Array.from({ length: 11 }, () => Array(20).fill(30)), [60_000]] // the last keeps it from ending by itself
  for (let round = 0; round < 12; round++) {
    const { trajectory_id: id } = await server.start(top, { init_params: { items } })
    await new Promise((resolve) => setTimeout(resolve, round * 25))
    const path = `/api/v1/trajectory/acme/${top}/statuses`
    const answer = await server.call('POST', path, { [id]: 'cancelled' })
    expect(answer.status, JSON.stringify(answer.body)).toBe(200)
    const open = () => database.query(`select name, status from runs where ended_at is null`)
    await expect.poll(open, { timeout: 25_000 }).toEqual([])
    expect((await server.get(top, id)).status).toBe('cancelled')
  }
})

test('one run, awaited: its outputs, its failure, its time', async () => {
  const task = await server.task({
    init_params: { text: 'own' },
    step_configs: {
      first: { activity: 'text_echo', text_path: 'init_params.text' },
      last: { activity: 'effect', mark: 'one', item_path: 'first.outputs.text', fails_path: 'init_params.fails?' },
    },
    steps: ['first', 'last'],
  })
  const one = (config: Record<string, unknown>) => ({
    init_params: { given: 'hello', fails: false },
    step_configs: { one: { activity: 'run_workflow', workflow_name: task, ...config } },
    steps: ['one'],
  })
  const run = await runToEnd(one({ init_params: { text: 'hello' }, include_steps: true }), {})
  expect(run.error).toBeNull()
  expect(run.steps.one.outputs).toMatchObject({
    status: 'completed',
    name: `acme/${task}`,
    outputs: { item: 'hello', doubled: null },
    error: null,
    steps: { first: { text: 'hello' }, last: { item: 'hello' } },
  })
  const failed = await runToEnd(one({ init_params: { fails: true } }), {})
  expect(failed.error).toContain('item own is no good')
  expect(failed.steps.one.outputs).toMatchObject({ status: 'failed', trajectory_id: expect.any(String) })
  const tolerated = await runToEnd(one({ init_params: { fails: true }, continue_on_error: true }), {})
  expect(tolerated.status).toBe('completed')
  expect(tolerated.steps.one.outputs).toMatchObject({ status: 'failed', outputs: null })
  expect(tolerated.steps.one.outputs.error).toContain('item own is no good')
})

test('children get the secrets of their parent, and nobody sees them', async () => {
  const secret = 'sk-fan-out-unmistakable-5521'
  server.leaks.remember('the secret of a fan-out', secret)
  const task = await server.task({
    init_params: {},
    step_configs: {
      process: { activity: 'effect', mark: 'secret', item_path: 'env.FAN_SECRET' },
    },
    steps: ['process'],
  })
  const name = await server.task(parent(task))
  const { trajectory_id: id } = await server.start(name, {
    init_params: { items: [1, 2, 3] },
    secret_params: { FAN_SECRET: secret },
  })
  const run = await untilEnded(name, id)
  expect(run.error).toBeNull()
  const reference = run.steps.fan.outputs.trajectory_references[0]
  const one = await server.get(task, reference.trajectory_id)
  expect(one.steps.process.inputs.item).toBe('***')
  expect(one.steps.process.outputs.item).toBe('***')
  const kept = await database.query(`select from runs where sealed_secrets is not null and ended_at is not null`)
  expect(kept).toEqual([])
})

test('a child that leaves memory for a long wait makes room for the next one', async () => {
  const task = await server.task({
    init_params: {},
    step_configs: {
      process: { activity: 'effect', mark: 'parked', item_path: 'init_params.item' },
      rest: { activity: 'sleep', seconds: 3600 },
    },
    steps: ['process', 'rest'],
  })
  const name = await server.task(parent(task, { max_concurrency: 1 }))
  const { trajectory_id: id } = await server.start(name, { init_params: { items: [1, 2, 3] } })
  const parked = () => database.query('select from runs where lease is null and ended_at is null')
  await expect.poll(() => parked().then((rows) => rows.length), { timeout: 40_000 }).toBe(3)
  expect(await effectsOf('parked')).toHaveLength(3)
  await database.query(`update runs set wake_at = now() - interval '1 hour' where lease is null and ended_at is null`)
  await database.query(
    `update steps set started_at = started_at - interval '2 hours' where ended_at is null and name = 'rest'`,
  )
  const run = await untilEnded(name, id)
  expect(run.status).toBe('completed')
  expect(run.steps.gather.outputs.by_key.item).toEqual([1, 2, 3])
})
