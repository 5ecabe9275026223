import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

/** Values that a step reads of other runs: however many runs it names, the process goes on with everything else. */

const large = 'x'.repeat(900_000)
let jetty: TestServer
let source: string
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_MAX_OUTPUT_BYTES: '8MiB' } })
  const { trajectory_id: id } = await jetty.run({
    init_params: { large, small: 7 },
    step_configs: {
      one: { activity: 'text_echo', text_path: 'init_params.large' },
      two: { activity: 'text_echo', text: 'second' },
    },
    steps: ['one', 'two'],
  })
  source = id
})
afterAll(() => jetty?.close())

const extract = async (ids: string[], keys: Record<string, string>): Promise<Body> => {
  const task = await jetty.task({
    init_params: { ids },
    step_configs: {
      read: {
        activity: 'extract_from_trajectories',
        trajectory_list_path: 'init_params.ids',
        extract_keys: keys,
      },
    },
    steps: ['read'],
  })
  const { trajectory_id: id } = await jetty.start(task)
  return jetty.until(task, id, ({ ended }) => ended !== null)
}

test('more than a step may put out is refused before it is in memory', async () => {
  const longestTurnMs = async (): Promise<number> => {
    const delays = monitorEventLoopDelay({ resolution: 5 })
    delays.enable()
    const { error } = await extract(new Array(20_000).fill(source), { a: 'init_params.large' })
    delays.disable()
    expect(error).toContain('The values of 10 of 20000 runs are more than 8 MiB, the limit for the outputs of a step')
    return delays.max / 1e6
  }
  // The machine may have stood still meanwhile, but not each time.
  for (let tries = 1; (await longestTurnMs()) >= 1_000; tries++) expect(tries).toBeLessThan(4)
})

test('as many paths into one value are', async () => {
  const paths = Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`k${at}`, 'one.outputs.text']))
  expect((await extract([source], paths)).error).toContain('The values of 1 of 1 runs are more than')
})

test('small values of large runs are read, of each run named, in their order', async () => {
  const ids = [source, '00000000', source, ...new Array(300).fill(source)]
  const { steps } = await extract(ids, { n: 'init_params.small', text: 'two.outputs.text' })
  const { extracted_data: data, count, errors } = steps.read.outputs
  expect([count, data[0], data[1], data[2]]).toEqual([
    303,
    { n: 7, text: 'second' },
    { n: null, text: null },
    { n: 7, text: 'second' },
  ])
  expect(errors.map((one: Body) => one.trajectory_id)).toEqual(['00000000', '00000000'])
})

test('runs whose texts do not fit into one question are asked for again', async () => {
  const child = await jetty.task({
    init_params: { n: 0 },
    step_configs: { say: { activity: 'text_template', template: `{{init_params.n}} ${large}` } },
    steps: ['say'],
  })
  const { steps } = await jetty.run({
    init_params: { items: Array.from({ length: 12 }, (_, at) => at) },
    step_configs: {
      fan: {
        activity: 'list_emit_await',
        items_path: 'init_params.items',
        child_workflow_name: child,
        item_param_name: 'n',
      },
      read: {
        activity: 'extract_from_trajectories',
        trajectory_list_path: 'fan.outputs.trajectory_references',
        extract_keys: { n: 'init_params.n', text: 'say.status' },
      },
    },
    steps: ['fan', 'read'],
  })
  expect(steps.read.outputs.by_key).toEqual({
    n: Array.from({ length: 12 }, (_, at) => at),
    text: new Array(12).fill('completed'),
  })
})

test('of a run that was awaited, all outputs only where they are asked for and not too large', async () => {
  const child = await jetty.task({
    init_params: { large },
    step_configs: Object.fromEntries(
      Array.from({ length: 10 }, (_, at) => [
        `s${at}`,
        { activity: 'text_echo', text_path: 'init_params.large' },
      ]).concat([['last', { activity: 'text_echo', text: 'done' } as never]]),
    ),
    steps: [...Array.from({ length: 10 }, (_, at) => `s${at}`), 'last'],
  })
  const once = (more: object) => ({
    step_configs: { run: { activity: 'run_workflow', workflow_name: child, ...more } },
    steps: ['run'],
  })
  expect((await jetty.run(once({}))).steps.run.outputs.outputs).toEqual({ text: 'done' })
  expect((await jetty.run(once({ include_steps: true }))).error).toMatch(/The outputs of run \w+ are more than 8 MiB/)
})

test('each run is looked up by itself, also where the planner knows nothing of the table yet', async () => {
  const { database } = jetty.server
  await database.query('alter table runs set (autovacuum_enabled = false)') // no statistics come in between
  await database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author, status,
       ended_at)
     select 'many/' || n, 'many' || n, 'many' || n, collection_id, task_id, name, definition, '{}', author, 'completed', now()
     from runs, generate_series(1, 20000) n where trajectory_id = $1`,
    [source],
  )
  const walked = async (): Promise<number> => {
    await database.query('select pg_stat_force_next_flush()')
    const [row] = await database.query<{ read: number }>(
      `select sum(idx_tup_read)::int as read from pg_stat_user_indexes where relname = 'runs'`,
    )
    return row?.read ?? 0
  }
  const before = await walked()
  const ids = Array.from({ length: 2_000 }, (_, at) => `many${at + 1}`)
  expect((await extract(ids, { n: 'init_params.small' })).steps.read.outputs.count).toBe(2_000)
  await new Promise((resolve) => setTimeout(resolve, 1_500)) // other sessions tell of what they read once a second
  expect((await walked()) - before).toBeLessThan(100_000)
})
