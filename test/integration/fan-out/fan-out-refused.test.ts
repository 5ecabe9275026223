// What a fan-out cannot start is said before the first of its runs is there.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_MAX_FANOUT: '100' } })
})
afterAll(() => jetty?.close())

const child = { step_configs: { process: { activity: 'text_echo', text: 'done' } }, steps: ['process'] }
const parent = (task: string, config: Record<string, unknown> = {}) => ({
  init_params: { items: [] },
  step_configs: {
    fan: { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: task, ...config },
  },
  steps: ['fan'],
})

test.each([
  [
    'a task that is not there',
    { child_workflow_name: 'nowhere' },
    [1],
    "There is no task 'nowhere' in collection 'acme'",
  ],
  ['another collection', { child_workflow_name: 'other/task' }, [1], "Task 'other/task' is not in collection 'acme'"],
  ['no task', { child_workflow_name: null }, [1], 'child_workflow_name is required'],
  ['a literal list', { items: [1], items_path: null }, [1], 'items_path is required'],
  ['a text', {}, 'none', "items_path must point at a list, but points at the text 'none'"],
  [
    'an item that has no members',
    { spread_items: true },
    [{}, 7],
    'spread_items needs objects, but item 1 is not an object',
  ],
  ['too many items', {}, Array(101).fill(0), 'A step may start 100 runs, and there are 101 items'],
])('fails before any child is there: %s', async (_, config, items, error) => {
  const task = await jetty.task(child)
  const run = await jetty.run(parent(task, config), { init_params: { items } })
  expect(run.status).toBe('failed')
  expect(run.error).toContain(error)
  expect(await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)).toMatchObject({ body: { total: 0 } })
})

test('a child whose workflow cannot run is told before it is started', async () => {
  const broken = await jetty.task({ step_configs: { a: { activity: 'no_such' } }, steps: ['a'] })
  const run = await jetty.run(parent(broken), { init_params: { items: [1] } })
  expect(run.error).toContain(`The workflow of task '${broken}' cannot run: No step registered for 'no_such'`)
  const asking = await jetty.task({
    step_configs: { a: { activity: 'litellm_chat', prompt: 'x', model: 'nobody/serves-this' } },
    steps: ['a'],
  })
  const unserved = await jetty.run(parent(asking), { init_params: { items: [1] } })
  expect(unserved.error).toContain(`Task '${asking}' cannot run: Step 'a': `)
  for (const task of [broken, asking]) {
    expect(await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)).toMatchObject({ body: { total: 0 } })
  }
})
